"""Loaded models that take pictures, behind one protocol."""
