"""Registries of packages that hold models, each asked through its own client."""
