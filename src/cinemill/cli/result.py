"""Outcomes of jobs: status, output files and their locations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cinemill.cli.console import (
    console,
    error_document,
    format_duration,
    format_size,
    make_table,
    print_error,
)
from cinemill.cli.exit_codes import ExitCode, exit_code_of, is_rejection
from cinemill.cli.ids import shorten
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from cinemill.cli.files.named_files import Shelves
    from cinemill.client import Client, JobDocument
    from cinemill.client.models import ArtifactDocument, FileFacts

FOUND_WORDS = {
    "shot": ("shot", "shots"),
    "keyframe": ("key frame", "key frames"),
    "sound": ("range of sound", "ranges of sound"),
    "text": ("text in the picture", "texts in the picture"),
    "tag": ("tag", "tags"),
    "object": ("object", "objects"),
    "face": ("face", "faces"),
    "cue": ("cue", "cues"),
    "moderation": ("warning about content", "warnings about content"),
    "description": ("description", "descriptions"),
}
"""Kinds of findings: one, and several. Names and relations are not counted: they have no findings.
"""
TRACK_WORDS = {
    "speech": "speech",
    "text": "text in the picture",
    "picture": "what is seen",
    "keyframe": "key frames",
    "description": "descriptions",
}

Result = Mapping[str, Any]
"""Of a job, as the server sends it."""


@dataclass(frozen=True, slots=True)
class ResultFile:
    kind: str
    place: str
    """A path on this machine by name, else the URL to download it from."""
    name: str
    size_bytes: int
    facts: FileFacts


class JobFailed(CinemillError):
    """A job that failed or was cancelled, with the error that the server stored."""

    def __init__(self, job: JobDocument) -> None:
        failure = job.get("error") or {}
        reason = job.get("cancel_reason")
        cancelled = f"The job was cancelled{f': {reason}' if reason else ''}."
        super().__init__(
            failure.get("message") or cancelled,
            code=failure.get("code") or str(job.get("status", "failed")),
            hint=failure.get("hint")
            or f"Run 'cinemill retry {shorten(str(job.get('id', 'JOB')))}'.",
        )
        self._log_tail = failure.get("log_tail", "")
        # As if it had been refused at once, so that the exit code is the same.
        is_rejected = failure.get("retryable") is False or is_rejection(self.code)
        self.http_status = HTTPStatus.UNPROCESSABLE_ENTITY if is_rejected else self.http_status

    @property
    def log_tail(self) -> str:
        return self._log_tail


@dataclass(frozen=True, slots=True)
class Found:
    """What an ingestion found out about a video."""

    profile: str
    findings: Mapping[str, int]
    """How many, by kind."""
    passages: Mapping[str, int]
    """How many passages search finds the video by, by where they are from."""
    gaps: Sequence[Mapping[str, str]]
    """What could not be found out: ``subject``, ``code``, ``message``, ``hint``."""

    def to_json(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "findings": dict(self.findings),
            "passages": dict(self.passages),
            "gaps": [dict(gap) for gap in self.gaps],
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    name: str
    job_id: str = ""
    status: str = "rejected"
    exit_code: ExitCode = ExitCode.OK
    error: CinemillError | None = None
    files: tuple[ResultFile, ...] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    found: Found | None = None
    """What is in the video; None where nothing was looked for."""
    reused: str = ""
    """What was there already and was not made again, in words; empty where all is new."""
    gaps: Sequence[Mapping[str, str]] = ()
    """What outputs lack because the video is damaged; those of an ingestion are in ``found``."""

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.name,
            "job_id": self.job_id,
            "status": self.status,
            "error": error_document(self.error) if self.error else None,
            "files": [
                {
                    "kind": file.kind,
                    "name": file.name,
                    "place": file.place,
                    "size_bytes": file.size_bytes,
                    "facts": dict(file.facts),
                }
                for file in self.files
            ],
            "reused": bool(self.reused),
            "stages": dict(self.stages),
            "gaps": [dict(gap) for gap in self.gaps],
            **(self.found.to_json() if self.found else {}),
        }


def refused(name: str, error: CinemillError, job_id: str = "") -> Outcome:
    """Return the outcome of a video that never became a job or whose job's end is unknown."""
    status = "unknown" if job_id else "rejected"
    return Outcome(name, job_id, status, error=error, exit_code=exit_code_of(error))


def read_outcome(
    client: Client, name: str, job_id: str, *, shelves: Shelves, to: Path | None
) -> Outcome:
    """Return the outcome of a finished job, and download its files if ``to`` is a folder."""
    job = client.job(job_id)
    status = str(job.get("status", ""))
    if status != "completed":
        failure = JobFailed(job)
        return Outcome(name, job_id, status, exit_code_of(failure), error=failure)
    result = job.get("result") or {}
    files = _find_files(client, job, shelves, to)
    stages = result.get("stages") or {}
    found = _read_found(result)
    gaps = () if found is not None else tuple(result.get("gaps") or ())
    reused = _describe_reuse(result)
    return Outcome(
        name, job_id, status, files=files, stages=stages, found=found, reused=reused, gaps=gaps
    )


def _describe_reuse(result: Result) -> str:
    pieces = result.get("pieces")
    if isinstance(pieces, dict) and pieces.get("reused"):
        return f"{pieces['reused']} of {pieces.get('total')} pieces were there already."
    if result.get("reused") is True:
        return "All of it was there already, so nothing was made again."
    return ""


def _read_found(result: Result) -> Found | None:
    if "passages" not in result:
        return None
    findings, passages = (
        {str(kind): int(count) for kind, count in result.get(name, {}).items()}
        for name in ("findings", "passages")
    )
    profile, gaps = str(result.get("profile", "")), list(result.get("gaps") or ())
    return Found(profile, findings, passages, gaps)


def show_outcome(outcome: Outcome) -> None:
    """Print the output files, their locations and the time of each stage; or the error."""
    screen = console()
    screen.print(f"\n{outcome.name}: {outcome.status}", style="bold")
    if outcome.error is not None:
        print_error(outcome.error, about=outcome.name)
        return
    if outcome.found is not None:
        _show_found(outcome.found)
        if not outcome.files:
            return
    _show_files(outcome.files)
    if outcome.reused:
        screen.print(f"reused: {outcome.reused}")
    _show_gaps(outcome.gaps)
    if outcome.stages:
        screen.print()
        stages = make_table("Stage", ">Took")
        for stage, seconds in outcome.stages.items():
            stages.add_row(stage, format_duration(seconds))
        screen.print(stages)


def _show_files(files: Sequence[ResultFile]) -> None:
    screen = console()
    folder = _find_common_folder(files)
    outputs = make_table("Output", ">Size", "Details", "File" if folder else "Location")
    for file in files:
        place = Path(file.place).name if folder else file.place
        outputs.add_row(file.kind, format_size(file.size_bytes), _show_facts(file.facts), place)
    screen.print(outputs)
    if folder:
        screen.print(f"in {folder}")
    for file in files:
        for change in file.facts.get("changes") or ():
            screen.print(f"· {change}")


def _find_common_folder(files: Sequence[ResultFile]) -> str:
    """Return the folder that all files are in, which is then named once; empty if there is none."""
    folders = {str(Path(file.place).parent) for file in files if Path(file.place).is_absolute()}
    is_one = len(folders) == 1 and all(Path(file.place).is_absolute() for file in files)
    return folders.pop() if is_one else ""


def _show_found(found: Found) -> None:
    """Print how much was found of what, and what is missing, with what can be done about it."""
    screen = console()
    counts = [
        f"{count} {FOUND_WORDS[kind][count != 1]}"
        for kind, count in found.findings.items()
        if kind in FOUND_WORDS
    ]
    screen.print(f"Found: {', '.join(counts) or 'nothing'}")
    passages = [
        f"{count} from {TRACK_WORDS.get(one, one)}" for one, count in found.passages.items()
    ]
    screen.print(f"Passages for search: {', '.join(passages) or 'none'}")
    _show_gaps(found.gaps)


def _show_gaps(gaps: Sequence[Mapping[str, str]]) -> None:
    """Print what is missing, and after several with the same hint the hint once."""
    screen = console()
    for number, gap in enumerate(gaps):
        said = gap.get("message", "").removeprefix("Missing: ")
        screen.print(f"Missing: {gap.get('subject')}: {said}")
        hint = gap.get("hint")
        following = gaps[number + 1].get("hint") if number + 1 < len(gaps) else None
        if hint and hint != following:
            screen.print(f"→ {hint}")


def _find_files(
    client: Client, job: JobDocument, shelves: Shelves, to: Path | None
) -> tuple[ResultFile, ...]:
    """Return the asset's files; only those that the job lists, if it lists its outputs."""
    from cinemill.cli.files.named_files import sort_files

    asset_id = job.get("asset_id")
    if asset_id is None:
        return ()
    every = client.asset(asset_id).get("artifacts", [])
    artifacts = _leave_out_others(every, job.get("result") or {})
    return tuple(
        ResultFile(
            kind=str(artifact["kind"]),
            place=_locate(client, job, artifact, shelves, to),
            name=str(artifact.get("filename") or ""),
            size_bytes=int(artifact["size_bytes"]),
            facts=artifact.get("facts") or {},
        )
        for artifact in sort_files(artifacts)
    )


def _leave_out_others(
    artifacts: Sequence[ArtifactDocument], result: Result
) -> Sequence[ArtifactDocument]:
    """Return the asset's files without those of its other jobs, as far as the result says so."""
    if (made := result.get("made")) is not None:
        names = {(one["kind"], one["variant"]) for one in made}
        return [one for one in artifacts if (one["kind"], one.get("variant", "")) in names]
    hashes = {
        one.get("sha256")
        for one in (result.get("artifacts") or {}).values()
        if isinstance(one, Mapping)
    }
    if not hashes & {one["sha256"] for one in artifacts}:
        return artifacts
    own = {*hashes, *(one["sha256"] for one in artifacts if one["kind"] == "provenance")}
    return [one for one in artifacts if one["sha256"] in own and one["kind"] not in _OF_OTHER_JOBS]


_OF_OTHER_JOBS = ("preview", "rendition", "contact_sheet", "animated_preview")
"""Kinds of files that no processing makes, though one may be equal to its poster."""


def _locate(
    client: Client, job: JobDocument, artifact: ArtifactDocument, shelves: Shelves, to: Path | None
) -> str:
    from cinemill.cli.files.named_files import without_hash
    from cinemill.client.connection import resolve_link

    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
        variant = str(artifact.get("variant") or "")
        asset_id = str(job["asset_id"])
        return str(client.download(asset_id, artifact["kind"], to, variant=variant or None))
    if path := shelves.find(str(job["id"]), artifact):
        return str(path)
    return without_hash(resolve_link(str(artifact.get("url", "")), client.public_url))


def _show_facts(facts: FileFacts) -> str:
    shown = []
    if facts.get("width") and facts.get("height"):
        shown.append(f"{facts['width']}×{facts['height']}")
    if facts.get("fps"):
        shown.append(f"{float(facts['fps']):g} fps")
    if isinstance(facts.get("duration_seconds"), int | float):
        shown.append(format_duration(facts["duration_seconds"]))
    shown.extend(f"{facts[name]} {name}" for name in ("tiles", "frames") if facts.get(name))
    if facts.get("sample_rate_hz"):
        shown.append(f"{facts['sample_rate_hz'] / 1000:g} kHz")
    if facts.get("vmaf"):
        shown.append(f"VMAF {facts['vmaf']:.1f}")
    return ", ".join(shown)
