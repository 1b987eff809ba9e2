"""Local mode: real embedded servers and one supervisor; no Docker, no root, no system packages."""
