"""``cinemill detect``: verdicts about videos, and what they rest on."""
