"""``GET /assets/{id}/findings``: what was found in a video, and what could not be found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query

from cinemill.api.http.bodies import BoundedRoute
from cinemill.api.models.pages import (
    Cursor,
    CursorInvalid,
    PageLimit,
    cut_page,
    decode_cursor,
    encode_cursor,
)
from cinemill.api.models.problems import problems
from cinemill.api.models.search.knowledge import (
    FindingDocument,
    FindingGapDocument,
    FindingModelDocument,
    FindingPage,
)
from cinemill.api.models.search.searches import Seconds
from cinemill.api.owned_assets import get_owned_asset
from cinemill.api.state import StateDep
from cinemill.core.findings.finding import Finding, FindingKind
from cinemill.core.text.storable_text import Text
from cinemill.storage.database import Connection
from cinemill.storage.findings.gaps import list_gaps
from cinemill.storage.findings.sets import FindingSet, list_findings, list_sets

router = APIRouter(tags=["search"], route_class=BoundedRoute)

_Place = tuple[int, int, int]
"""Start in milliseconds, part and number of a finding in its set."""
_Found = tuple[FindingSet, _Place, Finding]
FromSecond = Annotated[
    Seconds | None, Query(description="Only what ends after this second of the video.")
]
ToSecond = Annotated[
    Seconds | None, Query(description="Only what starts before this second of the video.")
]


@dataclass(frozen=True, slots=True)
class _Range:
    """A part of a video's time, in milliseconds; None is open."""

    from_ms: int | None
    to_ms: int | None


@router.get("/assets/{asset_id}/findings", responses=problems(404, 422))
def list_asset_findings(
    asset_id: Text,
    state: StateDep,
    kind: FindingKind | None = None,
    start: FromSecond = None,
    end: ToSecond = None,
    limit: PageLimit = 500,
    cursor: Cursor = None,
) -> FindingPage:
    """List what was found in a video, by kind and time; speech is in its captions.

    A cursor is void once the video was analyzed again. `gaps` has what could not be found out.
    """
    get_owned_asset(state, asset_id)
    with state.database.begin() as connection:
        active = [one for one in list_sets(connection, asset_id) if one.is_active]
        wanted = [one for one in active if kind in (None, one.kind)]
        within = _Range(_to_ms(start), _to_ms(end))
        found = _read(connection, wanted, within, _decode_place(cursor, wanted), limit + 1)
        gaps = list_gaps(connection, asset_id)
    page, has_more = cut_page(found, limit)
    return FindingPage(
        findings=[FindingDocument.from_record(one.kind, finding) for one, _, finding in page],
        models={one.kind: FindingModelDocument.from_record(one.model) for one in wanted},
        gaps=[FindingGapDocument.from_record(one) for one in gaps],
        next=_encode_place(page[-1]) if has_more else None,
    )


def _read(
    connection: Connection,
    sets: Sequence[FindingSet],
    within: _Range,
    after: tuple[str, _Place] | None,
    limit: int,
) -> list[_Found]:
    """Return findings of these sets in their order, from a position in one of them on."""
    ids = [one.id for one in sets]
    first = 0 if after is None else ids.index(after[0])
    found: list[_Found] = []
    for number, one in enumerate(sets[first:]):
        place = after[1] if after is not None and number == 0 else None
        listed = list_findings(
            connection,
            one.id,
            after=place,
            from_ms=within.from_ms,
            to_ms=within.to_ms,
            limit=limit - len(found),
        )
        found += [(one, at, finding) for at, finding in listed]
        if len(found) == limit:
            break
    return found


def _to_ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _encode_place(found: _Found) -> str:
    one, place, _ = found
    return encode_cursor(one.id, *(str(part) for part in place))


def _decode_place(cursor: str | None, sets: Sequence[FindingSet]) -> tuple[str, _Place] | None:
    if cursor is None:
        return None
    set_id, *parts = decode_cursor(cursor, 4)
    are_numbers = all(part.isascii() and part.isdecimal() and len(part) < 18 for part in parts)
    if not are_numbers or set_id not in {one.id for one in sets}:
        raise CursorInvalid("This cursor does not belong to this list.")
    start_ms, part, number = map(int, parts)
    if max(part, number) >= 2**31:
        raise CursorInvalid("This cursor does not belong to this list.")
    return set_id, (start_ms, part, number)
