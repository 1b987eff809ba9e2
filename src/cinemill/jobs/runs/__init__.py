"""A worker's attempt at one run: claim, heartbeat, limits, and the end that is recorded once."""
