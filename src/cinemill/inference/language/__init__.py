"""Sentences: their words, how the words depend on each other, and the names among them."""
