"""Heads on features of image models, their files, and how their scores are fused."""
