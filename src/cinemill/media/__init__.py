"""FFmpeg and PyAV: untrusted bytes in, verified files out. No other package uses them directly."""
