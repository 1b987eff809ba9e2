"""Nouns: frozen dataclasses and pure functions. Nothing here reads or writes anything."""
