"""What scripts written for other systems send, in the engine's own terms."""
