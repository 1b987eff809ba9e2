"""Entities that videos speak of or show, and what is said about them."""
