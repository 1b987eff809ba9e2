"""Cinemill: videos in; proxies, renditions, renders and captions out."""

__version__ = "0.1.0"
