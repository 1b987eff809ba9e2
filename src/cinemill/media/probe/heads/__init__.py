"""The first bytes of files, read without FFmpeg."""
