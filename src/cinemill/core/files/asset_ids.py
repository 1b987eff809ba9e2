"""Ids of assets, in any spelling in which clients keep them."""

from __future__ import annotations

import re
from uuid import UUID

_SPELLED = re.compile(r"[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}", re.I)


def read_asset_id(value: object) -> str | None:
    """Return the id of an asset that a value spells, as it is stored; None for anything else.

    Databases and libraries write a UUID in capitals or without hyphens, or keep it as an object.
    """
    if isinstance(value, UUID):
        return str(value)
    is_id = isinstance(value, str) and _SPELLED.fullmatch(value)
    return str(UUID(value)) if isinstance(value, str) and is_id else None
