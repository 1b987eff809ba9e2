"""Running FFmpeg: binary, sandbox, limits and progress."""
