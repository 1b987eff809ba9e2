"""The key of a piece of work: the same work is never done twice."""

from __future__ import annotations

import hashlib
import json


def content_key(*parts: object) -> str:
    """Return the SHA-256, in hex, of parts that are JSON: content, stage, version, parameters.

    Everything that changes an output's bytes belongs in it. Keys are stored in the database: the
    encoding of the parts must never change. What JSON does not know is written as ``str`` does.
    """
    named = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(named.encode()).hexdigest()
