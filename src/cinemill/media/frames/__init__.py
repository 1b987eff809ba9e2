"""Frames of a video by presentation time, each of them exactly, and its shots."""
