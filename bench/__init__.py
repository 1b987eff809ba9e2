"""Benchmarks: ratios measured in one run, alternating, in processor seconds."""
