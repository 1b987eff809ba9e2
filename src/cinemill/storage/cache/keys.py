"""Keys of what is computed from a video by models: any other input has another key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cinemill.core.documents import JsonObject


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Everything about a model that changes its output."""

    name: str
    revision: str
    """SHA-256 of its weights."""
    preprocessing: str
    """Version of what is done to a picture before the model sees it."""
    outputs: tuple[str, ...] = ()
    """Names of the outputs that are used, in order."""


def compose_key(
    content_sha256: str, models: Sequence[ModelIdentity], options: JsonObject | None = None
) -> str:
    """Return the SHA-256, in hex, of a video's content, of its models in order, and of options.

    ``options`` are JSON: everything else that changes the result, such as which frames are chosen,
    the version of the code, a head's hash or thresholds. A path is no part of a key.

    Raises ValueError where an option is NaN or infinite, TypeError where it is not JSON.
    """
    parts = {
        "content": content_sha256,
        "models": [asdict(model) for model in models],
        "options": dict(options or {}),
    }
    named = json.dumps(parts, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(named.encode("ascii")).hexdigest()
