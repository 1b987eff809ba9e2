"""Rows of analyses: verdicts, frames' scores, suspicious regions, metrics and reviews."""
