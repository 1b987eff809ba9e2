"""What is known about a range of a video's time: its transcript, its findings and a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel

from cinemill.assistants.arguments import MomentArguments
from cinemill.assistants.findings import LABELED_KINDS, summarize_findings
from cinemill.assistants.quotes import LONGEST_TITLE, quote
from cinemill.assistants.results import Line, MomentResult, make_page_link
from cinemill.client import AssetDocument, Client
from cinemill.client.models import ArtifactDocument

MOST_TRANSCRIPT_CHARACTERS = 20_000
MOST_CAPTION_BYTES = 64 * 1024**2
MOST_PICTURE_BYTES = 1024**2
PICTURE_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
CAPTIONS = "captions_json"
KEYFRAME = "keyframe"


class Cue(BaseModel):
    """A caption as its file has it."""

    start_ms: int
    end_ms: int
    lines: list[str]


class CaptionFile(BaseModel):
    """What is read of a file of captions."""

    captions: list[Cue]


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A key frame of a video that can be downloaded."""

    variant: str
    seconds: float
    media_type: str


def fetch_moment(client: Client, wanted: MomentArguments) -> tuple[MomentResult, Picture | None]:
    """Return what is known about a range, and its key frame.

    Raises ClientError (``asset_not_found``, also for a video of somebody else).
    """
    # First, because it checks whose video it is.
    findings, has_more_findings = summarize_findings(
        client.findings(wanted.asset_id, kind=kind, start=wanted.start, end=wanted.end)
        for kind in LABELED_KINDS
    )
    asset = client.asset(wanted.asset_id)
    keyframe = choose_keyframe(asset.get("artifacts", []), wanted) if wanted.with_picture else None
    with TemporaryDirectory(prefix="cinemill-mcp-") as name:
        folder = Path(name)
        cues = _read_captions(client, asset, folder)
        picture = None if keyframe is None else _read_picture(client, asset, keyframe, folder)
    transcript, has_more_text = cut_transcript(cues or (), wanted)
    result = MomentResult(
        asset_id=asset["id"],
        title=quote(asset.get("filename", ""), LONGEST_TITLE),
        start=wanted.start,
        end=wanted.end,
        page=make_page_link(client.public_url, asset["id"], wanted.start),
        transcript=transcript,
        has_captions=cues is not None,
        findings=findings,
        is_cut=has_more_findings or has_more_text,
        picture_time=None if keyframe is None else keyframe.seconds,
    )
    return result, picture


def cut_transcript(cues: Iterable[Cue], wanted: MomentArguments) -> tuple[list[Line], bool]:
    """Return the captions of a range by time, and whether there was more text than is returned."""
    lines: list[Line] = []
    left = MOST_TRANSCRIPT_CHARACTERS
    for cue in sorted(cues, key=lambda cue: cue.start_ms):
        start, end = cue.start_ms / 1000, cue.end_ms / 1000
        if end <= wanted.start or start >= wanted.end:
            continue
        text = quote(" ".join(cue.lines))
        left -= len(text)
        if left < 0:
            return lines, True
        lines.append(Line(start=start, end=end, text=text))
    return lines, False


def choose_keyframe(
    artifacts: Sequence[ArtifactDocument], wanted: MomentArguments
) -> Keyframe | None:
    """Return the first key frame of a range, else the last one before it, else None."""
    frames = sorted(
        (
            Keyframe(one["variant"], int(one["variant"]) / 1000, one["media_type"])
            for one in artifacts
            if one["kind"] == KEYFRAME
            and one["variant"].isdecimal()
            and one["media_type"] in PICTURE_TYPES
            and one["size_bytes"] <= MOST_PICTURE_BYTES
        ),
        key=lambda frame: frame.seconds,
    )
    within = [one for one in frames if wanted.start <= one.seconds < wanted.end]
    before = [one for one in frames if one.seconds < wanted.start]
    return next(iter(within or before[-1:]), None)


def _read_captions(client: Client, asset: AssetDocument, folder: Path) -> list[Cue] | None:
    """Return all captions of the newest language; None where there are none to read."""
    sizes = [one["size_bytes"] for one in asset.get("artifacts", []) if one["kind"] == CAPTIONS]
    if not sizes or max(sizes) > MOST_CAPTION_BYTES:
        return None
    path = client.download(asset["id"], CAPTIONS, folder / "captions.json")
    return CaptionFile.model_validate_json(path.read_bytes()).captions


def _read_picture(
    client: Client, asset: AssetDocument, keyframe: Keyframe, folder: Path
) -> Picture:
    path = client.download(asset["id"], KEYFRAME, folder / "picture", variant=keyframe.variant)
    return Picture(path.read_bytes(), keyframe.media_type)
