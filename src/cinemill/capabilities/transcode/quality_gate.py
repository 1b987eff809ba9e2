"""The quality gate: a rendition that is good enough after at most two attempts, or none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cinemill.capabilities.transcode.vmaf import Quality, measure_vmaf, require_vmaf
from cinemill.capabilities.transcode.vmaf_target import adjust_for_vmaf
from cinemill.core.encoding.rendition import RenditionRequest
from cinemill.core.media import MediaInfo
from cinemill.errors import InputRejected
from cinemill.media.encoding.encode import EncodeOutcome, encode
from cinemill.media.encoding.hardware import HardwareEncoder
from cinemill.media.ffmpeg.session import FfmpegSession

ATTEMPT_SHARE = 0.5
"""Share of the progress: a second attempt may follow, and reported progress never decreases."""
ENCODE_SHARE = 0.35
MEASURE_SHARE = ATTEMPT_SHARE - ENCODE_SHARE


OpenSession = Callable[[float, float, str], FfmpegSession]
"""Opens (begin, share, message) as a session whose progress is that part of the whole, 0 to 1."""


@dataclass(frozen=True, slots=True)
class _Session:
    open_session: OpenSession
    source: Path
    info: MediaInfo
    hardware: HardwareEncoder | None
    best_effort: bool


@dataclass(frozen=True, slots=True)
class _Attempt:
    request: RenditionRequest
    outcome: EncodeOutcome
    quality: Quality

    @property
    def rate(self) -> tuple[str, int]:
        """Return the option that determines the quality, with its value."""
        bps = self.request.bitrate_bps
        return ("crf", self.request.effective_crf) if bps is None else ("bitrate", bps)

    def to_json(self) -> dict[str, Any]:
        return dict([self.rate, ("vmaf", self.quality.vmaf)])


def encode_to_vmaf(
    open_session: OpenSession,
    source: Path,
    info: MediaInfo,
    request: RenditionRequest,
    *,
    hardware: HardwareEncoder | None = None,
    best_effort: bool = False,
) -> EncodeOutcome:
    """Encode a rendition in the sessions' folder and measure it against ``vmaf_min``.

    The folder must be empty and private. Without ``vmaf_min`` nothing is measured. If the first
    attempt falls short, a second one is corrected by what was missing; there is never a third. In
    addition to those of :func:`encode` the facts then contain ``vmaf``, ``vmaf_least``,
    ``vmaf_every``, ``vmaf_model``, ``vmaf_min`` and ``tries``.

    Raises InputRejected (``quality_not_reached``), and what :func:`encode` and :func:`measure_vmaf`
    raise.
    """
    session = _Session(open_session, source, info, hardware, best_effort)
    if request.vmaf_min is None:
        return _encode(session, request, 0.0, 1.0, "Encoding")
    require_vmaf(open_session(0.0, 1.0, "").binary, info, request)
    return _encode_twice(session, request, request.vmaf_min)


def _encode_twice(session: _Session, request: RenditionRequest, vmaf_min: float) -> EncodeOutcome:
    """Encode at most twice."""
    attempts = [_run_attempt(session, request, 0.0, "Encoding")]
    corrected = adjust_for_vmaf(request, vmaf_min, attempts[0].quality.vmaf)
    if corrected is not None:
        # Whatever the second attempt gives, this file is not used.
        attempts[0].outcome.path.unlink()
        attempts.append(
            _run_attempt(session, corrected, ATTEMPT_SHARE, "Encoding again at higher quality")
        )
    if attempts[-1].quality.vmaf < vmaf_min:
        raise _quality_error(vmaf_min, attempts)
    return _merge(vmaf_min, attempts)


def _run_attempt(
    session: _Session, request: RenditionRequest, begin: float, message: str
) -> _Attempt:
    outcome = _encode(session, request, begin, ENCODE_SHARE, message)
    quality = measure_vmaf(
        session.open_session(begin + ENCODE_SHARE, MEASURE_SHARE, "Measuring quality (VMAF)"),
        session.source,
        session.info,
        request,
        outcome.path,
        frames=outcome.facts["frames"],
    )
    return _Attempt(request, outcome, quality)


def _encode(
    session: _Session, request: RenditionRequest, begin: float, share: float, message: str
) -> EncodeOutcome:
    return encode(
        session.open_session(begin, share, message),
        session.source,
        session.info,
        request,
        hardware=session.hardware,
        best_effort=session.best_effort,
    )


def _merge(vmaf_min: float, attempts: Sequence[_Attempt]) -> EncodeOutcome:
    last = attempts[-1]
    facts = last.outcome.facts | last.quality.to_json()
    facts |= {"vmaf_min": vmaf_min, "tries": [one.to_json() for one in attempts]}
    spent = sum(one.outcome.cpu_seconds + one.quality.cpu_seconds for one in attempts)
    return replace(last.outcome, facts=facts, cpu_seconds=spent)


def _quality_error(vmaf_min: float, attempts: Sequence[_Attempt]) -> InputRejected:
    reached = ", then ".join(
        f"{one.quality.vmaf:g} at {one.rate[0]} {one.rate[1]}" for one in attempts
    )
    best = max(one.quality.vmaf for one in attempts)
    return InputRejected(
        f"A VMAF of {vmaf_min:g} was required, but {best:g} was reached: {reached}.",
        code="quality_not_reached",
        hint=f"Set vmaf_min to at most {math.floor(best)}, a lower crf or a higher "
        "bitrate, or another preset or codec. Nothing was published.",
    )
