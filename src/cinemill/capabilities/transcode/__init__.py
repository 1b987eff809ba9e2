"""Transcode: one file becomes another, in chunks and to a quality."""
