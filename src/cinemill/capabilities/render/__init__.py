"""Render: a timeline becomes a file."""
