"""Entity tags: which answer a client has already (RFC 9110, sections 8.8.3 and 13.1.2)."""

from __future__ import annotations

import hashlib
import re

from starlette.datastructures import Headers

_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def make_weak_tag(content: bytes) -> str:
    """Return the tag of a body: weak, because the body may be sent compressed or not."""
    return f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'


def weaken(tag: str) -> str:
    """Return the tag as that of an answer whose bytes may differ from one time to another."""
    return tag if tag.startswith("W/") else f"W/{tag}"


def is_known(tag: str, headers: Headers) -> bool:
    """Return whether a request's ``If-None-Match`` names this tag, compared weakly."""
    named = ",".join(headers.getlist("if-none-match")).strip()
    bare = _TAG.fullmatch(tag)
    return bool(named) and bare is not None and (named == "*" or bare[1] in _TAG.findall(named))
