"""Parameters of a transcode to its steps."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from cinemill.capabilities.transcode import kinds
from cinemill.capabilities.transcode.chunks import Chunk
from cinemill.core.encoding.rendition import RenditionRequest
from cinemill.core.job import StepSpec
from cinemill.core.parameters import MAX_NUMBER, Expected, Parameters, empty_as, none_as
from cinemill.steps.source.plan import SourceParameters, plan_source


def _check_chunk_seconds(seconds: float | None) -> float | None:
    if seconds is not None and 0 < seconds < 1:
        raise ValueError
    return seconds


class TranscodeParameters(SourceParameters):
    """One rendition of a video."""

    options: Annotated[
        RenditionRequest,
        empty_as(RenditionRequest()),
        Expected("an object, such as {'codec': 'h264'}"),
    ] = RenditionRequest()
    """Codec, container, size, frame rate and quality of the rendition."""
    chunk_seconds: Annotated[
        float | None,
        Field(ge=0, le=MAX_NUMBER),
        AfterValidator(_check_chunk_seconds),
        Expected("a number of seconds, 1 or more, or 0 for a video in one piece"),
    ] = None
    """Length in seconds of the chunks that workers encode in parallel. 0 keeps the video in one
    piece; null chooses by the video and the number of workers."""
    best_effort: Annotated[bool, none_as(False)] = False
    """Of a damaged or truncated video, encode what can be decoded, and list what is missing."""


def _read_chunk(value: object) -> object:
    if not isinstance(value, dict):
        return value
    try:
        return Chunk(**value)
    except TypeError as error:
        raise ValueError from error


class ChunkParameters(Parameters):
    """One chunk of a video, and how it is encoded."""

    request: RenditionRequest
    """Parameters of the whole rendition."""
    time_base: str
    """Time base of the chunk's bounds, in seconds, such as 1/12800."""
    threads: int
    """Chosen once for all chunks: with another number the encoder creates other files."""
    chunk: Annotated[Chunk, BeforeValidator(_read_chunk)]
    """The chunk's bounds."""

    def to_json(self) -> dict[str, Any]:
        """Return what distinguishes the chunk from all others.

        Content keys are derived from it, so its value for a given chunk must never change.
        """
        return {
            "request": self.request.to_json(),
            "time_base": self.time_base,
            "threads": self.threads,
            "chunk": self.chunk.to_json(),
        }


def plan_transcode(params: TranscodeParameters, asset_id: str | None) -> list[StepSpec]:
    """Plan one rendition of a video. Raises InputRejected (``source_missing``)."""
    request = params.options
    return [
        *plan_source("transcode", params, asset_id),
        StepSpec(
            "encode",
            kinds.ENCODE_RENDITION,
            request.to_json(),
            after=("probe",),
            hardware=request.codec.value if request.use_gpu else None,
        ),
    ]
