"""Vectors in Qdrant: a projection of PostgreSQL's that can be rebuilt, for large libraries."""
