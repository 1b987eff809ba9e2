"""Streaming: HLS and DASH ladders."""
