"""Captions: transcription, editing and caption files."""
