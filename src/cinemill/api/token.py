"""The installation's token: created by the first start, readable by its owner alone."""

from __future__ import annotations

from pathlib import Path

from cinemill.storage.secrets import read_or_make_secret


def token_path(home: Path) -> Path:
    return home / "token"


def ensure_token(home: Path) -> str:
    """Return the token of this home; create it where there is none, once among all callers.

    Raises SecretUnusable.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return read_or_make_secret(token_path(home))
