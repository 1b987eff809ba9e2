"""Searching a made corpus in a real database, and judging what was found."""
