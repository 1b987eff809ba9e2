"""Encoding a video: plans, hardware encoders and tone mapping."""
