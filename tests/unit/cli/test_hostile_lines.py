"""What videos say is shown as it is, also where it looks like markup."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.conftest import Exchange

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import LittleServer

LINES = ["[music] and on", "close [/b] now", "[red]stop[/red]", "a :fire: alarm", r"back\[slash]"]
ENTITY_ID = "7f0c0b0e-0000-4000-8000-000000000001"


def moment(line: str) -> dict[str, Any]:
    return {"asset_id": "a1", "title": line, "start": 1, "end": 2, "text": line}


def state(line: str) -> dict[str, Any]:
    return {
        "asset_id": "a1",
        "start": 1,
        "end": 2,
        "text": line,
        "subject": line,
        "predicate": "says",
        "object": line,
        "is_negated": False,
        "is_possible": False,
        "according_to": line,
    }


def entity(line: str) -> dict[str, Any]:
    other = {"id": "other", "name": "Oslo", "kind": "place"}
    return {
        "id": ENTITY_ID,
        "name": line,
        "kind": "person",
        "names": [line, line],
        "score": 1,
        "mention_count": 1,
        "statements": [state(line)],
        "moments": [{**moment(line), "name": line, "modality": "speech"}],
        "co_occurrences": [{"entity": {**other, "name": line}}],
        "relations": [
            {
                "entity": other,
                "predicate": line,
                "kind": "said",
                "is_subject": True,
                "is_negated": False,
                "is_possible": False,
            }
        ],
    }


def serve(server: LittleServer, line: str) -> None:
    api = "/api/v1"
    documents: dict[str, Any] = {
        f"GET {api}/assets": {"assets": [{"id": "a1", "filename": line}]},
        f"GET {api}/assets/a1": {"filename": line},
        f"GET {api}/assets/a1/chapters": {
            "track": "speech",
            "chapters": [{"start": 0, "end": 2, "title": line}],
            "key_moments": [{**moment(line), "names": [line], "statement_count": 0}],
        },
        f"GET {api}/assets/a1/scenes": {
            "scenes": [
                {
                    "start": 0,
                    "end": 2,
                    "objects": [{"label": line}] * 2,
                    "relations": [{"subject": 0, "predicate": "above", "object": 1}],
                }
            ]
        },
        f"POST {api}/search": {"hits": [moment(line)]},
        f"POST {api}/ask": {"answer": line, "citations": [moment(line)]},
        f"GET {api}/entities": {"entities": [entity(line)]},
        f"GET {api}/entities/{ENTITY_ID}": entity(line),
        f"GET {api}/entities/{ENTITY_ID}/evidence": {"statements": [state(line)]},
    }
    for request, document in documents.items():
        server.on(request, partial(Exchange.send_json, document=document))


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("chapters", "a1"), 3),
        (("scenes", "a1"), 3),
        (("search", "words"), 2),
        (("ask", "words"), 3),
        (("graph", ENTITY_ID), 9),
        (("graph", ENTITY_ID, "--with", "Oslo"), 4),
    ],
    ids=lambda value: " ".join(value[:3:2]) if isinstance(value, tuple) else None,
)
def test_lines_are_shown_as_they_are(
    cinemill: Run, fake_server: LittleServer, arguments: tuple[str, ...], count: int, line: str
) -> None:
    serve(fake_server, line)
    shown = cinemill(*arguments)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.count(line) == count, shown.stdout
