"""Receiving files while they are sent: multipart parsing, limits, options."""
