"""What distinguishes a repeated request from another one under the same idempotency key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def digest_request(kind: str, params: Mapping[str, object], asset_id: str | None) -> str:
    """Return the SHA-256 of what a job was asked to do, in hexadecimal."""
    named = [kind, params, asset_id]
    canonical = json.dumps(named, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
