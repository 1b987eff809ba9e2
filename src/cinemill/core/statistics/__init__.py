"""Guarantees about scores, without NumPy."""
