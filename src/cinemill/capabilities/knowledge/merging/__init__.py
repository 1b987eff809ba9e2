"""Suggestions of entities that may be one: a person decides."""
