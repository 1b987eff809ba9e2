"""Encoder forensics: traces of encoding again, cutting and joining in packets and headers."""
