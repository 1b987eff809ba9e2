"""Tracks of a video: which one is meant, how it is named, and where its channels belong."""
