"""The corpus as files: videos with speech and signs, and their true transcripts."""
