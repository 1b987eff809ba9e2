"""The pieces that a timeline is rendered in."""
