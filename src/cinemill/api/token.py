"""The installation's token: made once by whoever starts first, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from uuid import uuid4

TOKEN_BYTES = 32


def token_path(home: Path) -> Path:
    return home / "token"


def ensure_token(home: Path) -> str:
    """The token of this home; made now (mode 0600) where there is none.

    Several processes may start at once: each writes its own draft aside, and only one draft can be
    linked to the final name, so all of them read the same token and none reads half of one.
    """
    path = token_path(home)
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        _link_draft(path, secrets.token_urlsafe(TOKEN_BYTES))
    return path.read_text("ascii").strip()


def _link_draft(path: Path, token: str) -> None:
    draft = path.with_name(f".token-{uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # Another process was first: its token is the one.
    finally:
        draft.unlink()
