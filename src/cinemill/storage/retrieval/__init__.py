"""Rows that searches read: passages, words, embeddings; and conversations about what was found."""
