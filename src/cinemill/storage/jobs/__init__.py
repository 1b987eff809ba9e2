"""Rows of jobs, steps and runs, and of messages that made none."""
