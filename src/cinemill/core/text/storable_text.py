"""The type of every text that comes from outside and may reach PostgreSQL."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

STORABLE = r"^[^\x00]*$"
"""Texts without the character that PostgreSQL cannot store. Pydantic matches it in UTF-8, and so
refuses half of a surrogate pair as well."""

Text = Annotated[str, Field(pattern=STORABLE)]
"""Unicode that PostgreSQL and JSON can store, of any length. Parameters of routes and members of
requests are of this type or of one made from it; ``tests/unit/api/test_texts.py`` checks that."""
