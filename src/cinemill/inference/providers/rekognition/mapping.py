"""Results of Rekognition as findings of ours: whole milliseconds, within the video."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from cinemill.core.findings.finding import Finding, FindingKind, FindingModel, PictureBox
from cinemill.inference.providers.failures import ProviderReplyInvalid
from cinemill.inference.providers.jobs import FindingSet
from cinemill.inference.providers.rekognition import replies
from cinemill.inference.providers.rekognition.features import View
from cinemill.inference.providers.rekognition.paging import Results
from cinemill.inference.providers.rekognition.replies import read_document
from cinemill.inference.providers.text import clean_text

VERSION = 1
"""Of this code: raise it when the same results give other findings."""
PROVIDER = "rekognition"
SAMPLE_MS = 500
"""Rekognition looks at about two frames a second; what it saw in one holds until the next."""
TOLERANCE_MS = 5000
"""How far beyond the end a time may be. More, and the results are of another video."""
CUES = {
    "BlackFrames": "black frames",
    "ColorBars": "color bars",
    "Content": "content",
    "EndCredits": "end credits",
    "OpeningCredits": "opening credits",
    "Slate": "slate",
    "StudioLogo": "studio logo",
}


def map_results(results: Results, view: View, *, duration_ms: int) -> list[FindingSet]:
    """Return the findings of a job's results: one set for each of the view's kinds.

    ``duration_ms`` is the video's own. Raises ProviderReplyInvalid (``provider_reply_invalid``;
    ``provider_other_video`` where times lie far beyond the end).
    """
    return [
        FindingSet(
            kind,
            FindingModel(PROVIDER, f"{PROVIDER} {kind.value}", results.revision, VERSION),
            sorted(_MAPPERS[kind](results.items, duration_ms), key=_order),
        )
        for kind in view.kinds
    ]


def _order(finding: Finding) -> tuple[int, int, str]:
    return finding.start_ms, finding.end_ms, finding.label


def _map_tags(items: Sequence[object], duration_ms: int) -> Iterator[Finding]:
    for item in items:
        one = read_document(replies.LabelRange, item)
        start_ms, end_ms = _clamp(one.StartTimestampMillis, one.EndTimestampMillis, duration_ms)
        yield Finding(start_ms, end_ms, _label(one.Label.Name), one.Label.Confidence / 100)


def _map_objects(items: Sequence[object], duration_ms: int) -> Iterator[Finding]:
    moments = [read_document(replies.LabelMoment, item) for item in items]
    times = _list_times(one.Timestamp for one in moments)
    for one in moments:
        start_ms, end_ms = _cover(one.Timestamp, times, duration_ms)
        for instance in one.Label.Instances:
            if box := _map_box(instance.BoundingBox):
                label = _label(one.Label.Name)
                yield Finding(start_ms, end_ms, label, instance.Confidence / 100, box)


def _map_shots(items: Sequence[object], duration_ms: int) -> Iterator[Finding]:
    for one, start_ms, end_ms in _read_segments(items, "SHOT", duration_ms):
        if one.ShotSegment is None:
            raise ProviderReplyInvalid("Rekognition's reply has a shot without its confidence.")
        details = {"index": one.ShotSegment.Index}
        yield Finding(start_ms, end_ms, "shot", one.ShotSegment.Confidence / 100, details=details)


def _map_cues(items: Sequence[object], duration_ms: int) -> Iterator[Finding]:
    for one, start_ms, end_ms in _read_segments(items, "TECHNICAL_CUE", duration_ms):
        if one.TechnicalCueSegment is None:
            raise ProviderReplyInvalid("Rekognition's reply has a cue without its type.")
        cue = one.TechnicalCueSegment
        yield Finding(
            start_ms, end_ms, CUES.get(cue.Type) or _label(cue.Type), cue.Confidence / 100
        )


def _read_segments(
    items: Sequence[object], kind: str, duration_ms: int
) -> Iterator[tuple[replies.Segment, int, int]]:
    for item in items:
        one = read_document(replies.Segment, item)
        if one.Type == kind:
            yield one, *_clamp(one.StartTimestampMillis, one.EndTimestampMillis, duration_ms)


def _map_faces(items: Sequence[object], duration_ms: int) -> Iterator[Finding]:
    moments = [read_document(replies.FaceMoment, item) for item in items]
    times = _list_times(one.Timestamp for one in moments)
    for one in moments:
        start_ms, end_ms = _cover(one.Timestamp, times, duration_ms)
        if box := _map_box(one.Face.BoundingBox):
            yield Finding(start_ms, end_ms, "face", one.Face.Confidence / 100, box)


def _map_texts(items: Sequence[object], duration_ms: int) -> Iterator[Finding]:
    moments = [read_document(replies.TextMoment, item) for item in items]
    times = _list_times(one.Timestamp for one in moments)
    for one in moments:
        text = one.TextDetection
        label = clean_text(text.DetectedText)
        if text.Type == "LINE" and label:  # its words come again, one by one
            start_ms, end_ms = _cover(one.Timestamp, times, duration_ms)
            box = _map_box(text.Geometry.BoundingBox)
            yield Finding(start_ms, end_ms, label, text.Confidence / 100, box)


def _map_moderation(items: Sequence[object], duration_ms: int) -> Iterator[Finding]:
    for item in items:
        one = read_document(replies.ModerationRange, item)
        start_ms, end_ms = _clamp(one.StartTimestampMillis, one.EndTimestampMillis, duration_ms)
        label = one.ModerationLabel
        parent = clean_text(label.ParentName)
        yield Finding(
            start_ms,
            end_ms,
            _label(label.Name),
            label.Confidence / 100,
            details={"parent": parent} if parent else {},
        )


_MAPPERS = {
    FindingKind.TAG: _map_tags,
    FindingKind.OBJECT: _map_objects,
    FindingKind.SHOT: _map_shots,
    FindingKind.CUE: _map_cues,
    FindingKind.FACE: _map_faces,
    FindingKind.TEXT: _map_texts,
    FindingKind.MODERATION: _map_moderation,
}


def _label(name: str) -> str:
    label = clean_text(name)
    if not label:
        raise ProviderReplyInvalid("Rekognition's reply has a label without a name.")
    return label


def _list_times(times: Iterator[int]) -> list[int]:
    return sorted(set(times))


def _cover(moment_ms: int, times: list[int], duration_ms: int) -> tuple[int, int]:
    """Return the range that a sample stands for: to the next one, and no longer than one."""
    following = bisect_right(times, moment_ms)
    next_ms = times[following] if following < len(times) else moment_ms + SAMPLE_MS
    return _clamp(moment_ms, min(next_ms, moment_ms + SAMPLE_MS), duration_ms)


def _clamp(start_ms: int, end_ms: int, duration_ms: int) -> tuple[int, int]:
    """Return a range of at least a millisecond within the video."""
    if end_ms < start_ms:
        raise ProviderReplyInvalid("Rekognition's reply has a range that ends before it starts.")
    if start_ms > duration_ms + TOLERANCE_MS:
        raise ProviderReplyInvalid(
            f"Rekognition found something at {start_ms} ms of a video of {duration_ms} ms.",
            code="provider_other_video",
            hint="Check that the object in S3 is this video, then retry the job.",
        )
    start_ms = min(start_ms, duration_ms - 1)
    return start_ms, min(max(end_ms, start_ms + 1), duration_ms)


def _map_box(box: replies.BoxPart) -> PictureBox | None:
    """Return the part of a box that is in the picture; None where none is."""
    left, top = max(box.Left, 0.0), max(box.Top, 0.0)
    right, bottom = min(box.Left + box.Width, 1.0), min(box.Top + box.Height, 1.0)
    if right <= left or bottom <= top:
        return None
    return PictureBox(left, top, right - left, bottom - top)
