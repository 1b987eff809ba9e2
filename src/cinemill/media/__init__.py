"""FFmpeg and PyAV: hostile bytes in, verified files out. Nothing else in the mill touches them."""
