"""Checking that videos are complete, and outputs as planned."""
