"""Measurements of a detector: error rates, calibration, intervals and the printed report."""
