"""Rows and files of assets, captions and findings."""
