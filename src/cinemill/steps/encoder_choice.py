"""The encoder that a step uses: hardware where requested and working, else software, and why.

Successes and failures of hardware are recorded where the relay and ``/health`` read them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from cinemill.core.encoding.rendition import RenditionRequest, VideoCodec
from cinemill.core.hardware import Offer
from cinemill.core.media import MediaInfo
from cinemill.errors import (
    CommandFailed,
    CommandStalled,
    DatabaseUnavailable,
    InputRejected,
    OutputInvalid,
)
from cinemill.media.encoding.encode import EncodeOutcome
from cinemill.media.encoding.encode_plan import keeps_bit_depth
from cinemill.media.encoding.hardware import HardwareEncoder
from cinemill.media.encoding.hardware_probe import failure_reason
from cinemill.steps.resources import StepResources
from cinemill.storage import hardware
from cinemill.telemetry import get_logger

QUALITY_CODE = "quality_not_reached"
"""Work well done, and not well enough: nothing against the hardware, and no reason to give up."""
OUT_OF_TIME_CODE = "time_limit"
"""Of the attempt, of which failed hardware has used a part."""

Made = TypeVar("Made")
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """An encoder, or why there is none."""

    encoder: HardwareEncoder | None = None
    reason: str = ""
    """Empty where none was requested."""

    @property
    def changes(self) -> list[str]:
        """Return the notes about the encoder that belong on the result."""
        return [f"encoded in software: {self.reason}"] if self.reason else []


def encode_with_fallback(
    resources: StepResources,
    info: MediaInfo,
    request: RenditionRequest,
    make: Callable[[HardwareEncoder | None], EncodeOutcome],
    folder: Path,
) -> EncodeOutcome:
    """Call ``make`` with hardware where requested, else with software, and note why in ``changes``.

    See :func:`run_with_fallback`.
    """
    choice = choose_encoder(resources, info, request)
    outcome, choice = run_with_fallback(resources, choice, make, folder)
    changes = [*outcome.facts["changes"], *choice.changes]
    return replace(outcome, facts={**outcome.facts, "changes": changes})


def run_with_fallback(
    resources: StepResources,
    choice: EncoderChoice,
    make: Callable[[HardwareEncoder | None], Made],
    folder: Path,
) -> tuple[Made, EncoderChoice]:
    """Return the output of ``make``, and the encoder that created it in the end.

    Software is used where no hardware encoder was chosen or the chosen one failed. Raises what
    ``make`` raises in software.

    A failure counts against the hardware only when software then succeeds, or has no time left for
    it: else the video may be to blame. ``folder`` is emptied in between.
    """
    encoder = choice.encoder
    if encoder is None:
        return make(None), choice
    try:
        made = make(encoder)
    except (CommandFailed, CommandStalled, OutputInvalid) as error:
        reason = failure_reason(error)
    except InputRejected as error:
        if error.code != QUALITY_CODE:
            raise
        _empty(folder)
        return make(None), EncoderChoice(
            reason=f"{encoder.name} did not reach the required quality: {error.message}"
        )
    else:
        _record_success(resources, encoder)
        return made, choice
    _empty(folder)
    try:
        made = make(None)
    except CommandFailed as error:
        if error.code == OUT_OF_TIME_CODE:
            _record_failure(resources, encoder, reason)
        raise
    _record_failure(resources, encoder, reason)
    return made, EncoderChoice(reason=f"{encoder.name} failed: {reason}")


def choose_encoder(
    resources: StepResources, info: MediaInfo, request: RenditionRequest
) -> EncoderChoice:
    """Return an encoder for the rendition, where its request asks for hardware."""
    if not request.use_gpu:
        return EncoderChoice()
    return find_encoder(resources, request.codec, is_deep=keeps_bit_depth(info, request))


def find_encoder(resources: StepResources, codec: VideoCodec, *, is_deep: bool) -> EncoderChoice:
    """Return this worker's first encoder for the codec that is not suspended."""
    with resources.database.begin() as connection:
        offers = [one for one in hardware.list_offers(connection) if one.codec == codec.value]
    suspended = {one.encoder for one in offers if one.node == resources.node and not one.is_open}
    own = [one for one in resources.hardware if one.codec is codec]
    for encoder in own:
        if encoder.name not in suspended and (encoder.is_deep or not is_deep):
            return EncoderChoice(encoder)
    if own and not suspended:
        return EncoderChoice(reason=f"{own[0].name} cannot encode 10-bit video on this machine")
    return EncoderChoice(reason=_explain(codec, offers))


def _explain(codec: VideoCodec, offers: Sequence[Offer]) -> str:
    suspended = [one for one in offers if not one.is_open]
    if not suspended:
        return f"no hardware encoder for {codec.value} is available"
    names = ", ".join(f"{one.encoder} of {one.node}" for one in suspended)
    verb = "is" if len(suspended) == 1 else "are"
    return f"{names} failed repeatedly and {verb} suspended"


def _record_success(resources: StepResources, encoder: HardwareEncoder) -> None:
    try:
        with resources.database.begin() as connection:
            hardware.record_success(connection, resources.node, encoder.name)
    except DatabaseUnavailable as error:
        # Not worth losing the video that was just encoded.
        log.warning("hardware success not recorded", encoder=encoder.name, why=error.message)


def _record_failure(resources: StepResources, encoder: HardwareEncoder, reason: str) -> None:
    is_suspended = None
    try:
        with resources.database.begin() as connection:
            is_suspended = hardware.record_failure(connection, resources.node, encoder.name, reason)
    except DatabaseUnavailable as error:
        log.warning("hardware failure not recorded", encoder=encoder.name, why=error.message)
    log.warning("hardware failed", encoder=encoder.name, why=reason, rests=is_suspended)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
