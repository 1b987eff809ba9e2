"""Damage of a job's source, named by stream and time where work is refused for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from cinemill.core.media import AudioStream, MediaInfo
from cinemill.errors import MediaRejected
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.media.rejections import REJECTION_CODES, reject_media
from cinemill.media.verify.damage import Damage, find_damage
from cinemill.steps.resources import StepResources, effective_limits, find_asset
from cinemill.steps.source.results import PROBE

Work = Callable[[StepResources, StepContext], StepOutcome]

LOCATED_CODES = frozenset({"media_damaged", "media_truncated"})
SEARCHING = "Looking for the damage"
GAPS = "gaps"
"""In results, and in the facts of files that were made of a damaged source."""
GAP_HINT = "Process a copy that is whole, and nothing will be missing."
MISSING = "Missing: "
MOST_SAID = 5
BEST_EFFORT_HINT = (
    "To make what can be made of it, send it with the parameter best_effort (--best-effort)."
)


def naming_damage(work: Work) -> Work:
    """Return a handler that adds to a rejection for damage which stream it is in, and when."""

    def handle(resources: StepResources, context: StepContext) -> StepOutcome:
        try:
            return work(resources, context)
        except MediaRejected as rejected:
            probed = context.find_result(PROBE)
            if rejected.code not in LOCATED_CODES or probed is None:
                raise
            asset = find_asset(resources, context)
            words = locate_damage(resources, context, asset.sha256, probed.media).describe()
            if not words:
                raise
            message = f"{rejected.message} Missing: {words}."
            raise reject_media(
                rejected.code, message=message, hint=rejected.hint, log_tail=rejected.log_tail
            ) from rejected

    return handle


def offering_best_effort(work: Work) -> Work:
    """Return a handler whose rejection for damage says that the job could make the best of it.

    Not where it tried to.
    """

    def handle(resources: StepResources, context: StepContext) -> StepOutcome:
        try:
            return work(resources, context)
        except MediaRejected as rejected:
            if rejected.code in LOCATED_CODES and not context.run.job_params.get("best_effort"):
                rejected.hint = f"{rejected.hint} {BEST_EFFORT_HINT}"
            raise

    return handle


def locate_damage(
    resources: StepResources, context: StepContext, sha256: str, info: MediaInfo
) -> Damage:
    """Return what of the source cannot be decoded.

    Raises what the step's ``should_stop`` returns.
    """
    context.report(1.0, SEARCHING)
    return find_damage(
        resources.files.require(sha256),
        info,
        effective_limits(resources, context),
        sandbox=resources.sandbox,
        should_stop=context.should_stop,
    )


class Outcome(Protocol):
    """What an encoder says of an output that it may have made of a damaged source."""

    @property
    def flaw(self) -> str:
        """The code of what is wrong with the source; empty if nothing is."""

    @property
    def lacks_sound(self) -> bool:
        """Whether its audio was left out, because nothing can be made of it."""


def find_gaps(
    resources: StepResources, context: StepContext, sha256: str, info: MediaInfo, outcome: Outcome
) -> list[dict[str, Any]]:
    """Return what an output lacks of its source, as JSON values; nothing if the source is whole.

    Raises what the step's ``should_stop`` returns.
    """
    if not outcome.flaw:
        return []
    damage = locate_damage(resources, context, sha256, info)
    lost = info.audio if outcome.lacks_sound else ()
    subject = "picture" if info.has_picture else "sound"
    return _list_gaps(damage, outcome.flaw, lost_tracks=lost, subject=subject)


def _list_gaps(
    damage: Damage,
    flaw: str,
    *,
    lost_tracks: Sequence[AudioStream],
    subject: str,
) -> list[dict[str, Any]]:
    """Return what an output lacks that the best was made of: as JSON values, at least one.

    ``flaw`` is the code of what is wrong with the source; ``lost_tracks`` are left out altogether;
    ``subject`` is what is said to be damaged where nobody knows better.
    """
    lost = {track.index for track in lost_tracks}
    gaps = [
        {
            **_make_gap(one.kind, flaw, f"{MISSING}{one.describe()} of stream {one.stream}."),
            **one.to_json(),
        }
        for one in damage.ranges
        if one.stream not in lost
    ]
    gaps += [
        {**_make_gap("sound", flaw, "The whole track is missing."), "stream": index}
        for index in sorted(lost)
    ]
    return gaps or [_make_gap(subject, flaw, REJECTION_CODES[flaw])]


def describe_gaps(gaps: Sequence[Mapping[str, Any]]) -> str:
    """Return the gaps of an output in one sentence."""
    said = [
        f"{str(one['subject']).capitalize()}: {str(one['message']).removeprefix(MISSING)}"
        for one in gaps[:MOST_SAID]
    ]
    more = len(gaps) - MOST_SAID
    return " ".join([*said, f"And {more} more."] if more > 0 else said)


def _make_gap(subject: str, code: str, message: str) -> dict[str, Any]:
    return {"subject": subject, "code": code, "message": message, "hint": GAP_HINT}
