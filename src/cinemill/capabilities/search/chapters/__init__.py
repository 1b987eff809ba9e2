"""Chapters and key moments of a video, computed from its stored passages whenever they are read."""
