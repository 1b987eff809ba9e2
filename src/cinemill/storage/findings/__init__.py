"""Rows of what analyses found in videos: sets of findings, one active per video and kind."""
