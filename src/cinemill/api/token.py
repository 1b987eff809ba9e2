"""The installation's token: made once by whoever starts first, readable by its owner alone."""

from __future__ import annotations

from pathlib import Path

from cinemill.storage.secrets import read_or_make_secret


def token_path(home: Path) -> Path:
    return home / "token"


def ensure_token(home: Path) -> str:
    """The token of this home; made now where there is none, by one of however many ask.

    Raises SecretUnusable.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return read_or_make_secret(token_path(home))
