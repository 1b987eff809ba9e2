"""Fitting, with NumPy: what several capabilities measure their models with."""
