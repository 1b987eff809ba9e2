"""Timelines: their model, parsing, titles and views."""
