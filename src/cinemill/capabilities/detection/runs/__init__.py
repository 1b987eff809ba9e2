"""Runs that a person starts: train a head, calibrate it, evaluate it."""
