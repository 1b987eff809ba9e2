"""Answers whose every statement is checked against the passage that it cites."""
