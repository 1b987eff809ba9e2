"""JSON columns in statements written as text."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, bindparam
from sqlalchemy.dialects.postgresql import JSONB


def json_parameter(name: str) -> BindParameter[Any]:
    """Return a bound parameter that is sent as jsonb; None becomes NULL, not JSON's null."""
    return bindparam(name, type_=JSONB(none_as_null=True))
