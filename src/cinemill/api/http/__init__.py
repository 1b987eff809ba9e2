"""The HTTP server itself: connections, framing, admission and bounded bodies."""
