"""The public path that the present request came by, for links in what is answered."""

from __future__ import annotations

from contextvars import ContextVar

ROOT_PATH: ContextVar[str] = ContextVar("ROOT_PATH", default="")
"""Without a slash at its end; empty where there is none."""
