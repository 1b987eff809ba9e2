"""Random numbers that belong to one item, so that neither order nor a restart changes them."""

from __future__ import annotations

import hashlib

import numpy as np


def item_random(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator of an item, such as ``item_random(seed, video, time_ms, epoch)``."""
    text = "\x00".join(str(name) for name in names)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    words = np.frombuffer(digest[:16], "<u4")
    return np.random.default_rng([seed, *(int(word) for word in words)])
