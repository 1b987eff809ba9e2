"""How videos are encoded: renditions."""
