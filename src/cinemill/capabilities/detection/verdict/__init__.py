"""From scores to a verdict: calibration, abstention, bands and reasons. Pure."""
