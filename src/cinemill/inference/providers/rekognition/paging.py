"""Reading all pages of a job's results, within bounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cinemill.core.documents import JsonObject
from cinemill.inference.providers.backoff import choose_delay_seconds
from cinemill.inference.providers.failures import (
    ProviderRejected,
    ProviderReplyInvalid,
    ProviderThrottled,
)
from cinemill.inference.providers.rekognition.client import RekognitionClient
from cinemill.inference.providers.rekognition.features import OPERATIONS, Feature, View
from cinemill.inference.providers.rekognition.replies import Page, read_document
from cinemill.inference.providers.rekognition.requests import build_get_request

MOST_TRIES = 6
"""Of one page that is throttled. The pauses add up to 8 to 16 s; starting over would read all
earlier pages again, and be throttled for that."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 8.0


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How much is read of one job; more is a failure, never a part of the result."""

    most_pages: int = 500
    most_items: int = 300_000
    """Six hours with seven findings each half second are 302,400."""


@dataclass(slots=True)
class Results:
    """Everything that a job found in one view."""

    items: list[object] = field(default_factory=list)
    """As botocore parses them, in the order of time."""
    revision: str = ""


def _ignore(_pages: int) -> None:
    return None


def read_results(
    client: RekognitionClient,
    feature: Feature,
    job_id: str,
    view: View,
    *,
    limits: PageLimits | None = None,
    on_page: Callable[[int], None] = _ignore,
    pause: Callable[[float], None] = time.sleep,
) -> Results:
    """Return what a job found that has succeeded.

    ``on_page`` is called with the number of pages after each; what it raises ends the reading.
    ``pause`` is called with seconds before a throttled page is asked for again. Raises
    ProviderReplyInvalid (``provider_reply_invalid``; ``provider_reply_changed`` where a page
    contradicts an earlier one), ProviderRejected (``provider_reply_too_large``), and what the
    client raises, after which reading starts over: it costs nothing.
    """
    limits = limits or PageLimits()
    results, token, seen = Results(), None, set[str]()
    for number in range(1, limits.most_pages + 1):
        request = build_get_request(feature, job_id, view=view, next_token=token)
        reply = _read_page(client, OPERATIONS[feature].get, request, pause)
        page = read_document(Page, reply)
        _check_same(page, results, is_first=number == 1)
        results.items += _list_items(reply.get(OPERATIONS[feature].results))
        on_page(number)
        if len(results.items) > limits.most_items:
            raise _too_large(f"more than {limits.most_items} findings")
        token = page.NextToken
        if token is None:
            return results
        if token in seen:
            raise _changed("its pages repeat")
        seen.add(token)
    raise _too_large(f"more than {limits.most_pages} pages")


def _read_page(
    client: RekognitionClient, method: str, request: JsonObject, pause: Callable[[float], None]
) -> JsonObject:
    for tried in range(MOST_TRIES - 1):
        try:
            return client.call(method, request)
        except ProviderThrottled:
            pause(
                choose_delay_seconds(
                    tried,
                    str(request["JobId"]),
                    first_seconds=FIRST_PAUSE_SECONDS,
                    longest_seconds=LONGEST_PAUSE_SECONDS,
                )
            )
    return client.call(method, request, attempts=MOST_TRIES, key=str(request["JobId"]))


def _check_same(page: Page, results: Results, *, is_first: bool) -> None:
    if page.JobStatus != "SUCCEEDED":
        raise _changed(f"a job that had succeeded is now {page.JobStatus}")
    if is_first:
        results.revision = page.revision
    elif page.revision != results.revision:
        raise _changed("its pages come from models of different versions")


def _list_items(listed: object) -> Sequence[object]:
    # A body that was cut off has no list; one with nothing found has an empty list.
    if not isinstance(listed, list):
        raise ProviderReplyInvalid("Rekognition's reply does not list what was found.")
    return listed


def _changed(why: str) -> ProviderReplyInvalid:
    return ProviderReplyInvalid(
        f"Rekognition contradicts itself: {why}.", code="provider_reply_changed"
    )


def _too_large(what: str) -> ProviderRejected:
    return ProviderRejected(
        f"Rekognition returns {what} for this video.",
        code="provider_reply_too_large",
        hint="Raise the least confidence, or cut the video into parts.",
    )
