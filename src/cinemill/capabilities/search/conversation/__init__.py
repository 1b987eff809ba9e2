"""Conversations: what was asked and answered before a question."""
