"""Cinemill: films in; proxies, renditions, captions, findings and verdicts out."""

__version__ = "0.1.0"
