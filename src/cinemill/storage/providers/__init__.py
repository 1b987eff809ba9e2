"""Rows of analyses by services: how far each is, and what they cost."""
