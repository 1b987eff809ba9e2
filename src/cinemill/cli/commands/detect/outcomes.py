"""What became of each video of ``cinemill detect``: a verdict, or the error that prevented one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cinemill.cli.console import error_document
from cinemill.cli.exit_codes import ExitCode, exit_code_of
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from cinemill.client import Client

MEMBERS = (
    *("verdict", "score", "confidence", "reasons", "sentences", "faces", "regions", "versions"),
    *("analysis_id", "asset_id", "frame_count", "cache_hit", "processing_seconds", "stages"),
)
"""Of a verdict, as the result of the job names them."""
FAILED = "failed"
"""The verdict about a video whose analysis failed."""


@dataclass(frozen=True, slots=True)
class Detection:
    """The outcome for one video. A verdict is a success, whatever it says."""

    name: str
    job_id: str = ""
    status: str = "rejected"
    exit_code: ExitCode = ExitCode.OK
    error: CinemillError | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    """That of the job; empty where there is an error."""

    @property
    def verdict(self) -> str:
        """Return the verdict; empty where none was asked for, as for a file that does not exist."""
        return str(self.result.get("verdict") or (FAILED if self.status == "failed" else ""))

    @property
    def score(self) -> float | None:
        score = self.result.get("score")
        return float(score) if isinstance(score, int | float) else None

    def list_faces(self) -> Sequence[Mapping[str, Any]]:
        return list(self.result.get("faces") or ())

    def list_regions(self) -> Sequence[Mapping[str, Any]]:
        return list(self.result.get("regions") or ())

    def list_sentences(self) -> Sequence[str]:
        return [str(one) for one in self.result.get("sentences") or ()]

    def to_json(self) -> dict[str, Any]:
        """Return the document for JSON, with every member whatever the outcome is."""
        empty: dict[str, Any] = {
            **dict.fromkeys(MEMBERS),
            **{name: [] for name in ("reasons", "sentences", "faces", "regions")},
            "versions": {},
        }
        return {
            "file": self.name,
            "job_id": self.job_id,
            "status": self.status,
            "error": error_document(self.error) if self.error else None,
            **empty,
            **{name: self.result[name] for name in MEMBERS if name in self.result},
            "verdict": self.verdict or None,
        }


def refuse(name: str, error: CinemillError, job_id: str = "") -> Detection:
    """Return the outcome of a video that never became a job or whose job's end is unknown."""
    status = "unknown" if job_id else "rejected"
    return Detection(name, job_id, status, exit_code_of(error), error)


def read_detection(client: Client, name: str, job_id: str) -> Detection:
    """Return the outcome of a job that has ended."""
    from cinemill.cli.result import JobFailed

    job = client.job(job_id)
    status = str(job.get("status", ""))
    if status == "completed":
        return Detection(name, job_id, status, result=job.get("result") or {})
    failure = JobFailed(job)
    asset = {"analysis_id": job_id, "asset_id": job.get("asset_id")}
    return Detection(name, job_id, status, exit_code_of(failure), failure, asset)
