"""Checking that videos are whole, and outputs as planned."""
