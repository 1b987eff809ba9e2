"""Kinds of step of transcoding, and the queues that they run in."""

from __future__ import annotations

from cinemill.core.encoding.rendition import VideoCodec
from cinemill.core.hardware import name_queue
from cinemill.jobs.catalog import GIB, LONG_LIMITS, MINUTE, Queue, Rate, StepKind

ENCODE_RENDITION = "encode_rendition"
ENCODE_WHOLE = "encode_whole"
ENCODE_CHUNK = "encode_chunk"
ENCODE_TRACKS = "encode_tracks"
JOIN_CHUNKS = "join_chunks"

QUEUES = (
    Queue("transcode", 5, 4 * GIB, 10, **LONG_LIMITS, description="Transcoding videos"),
    *(
        Queue(
            name_queue(codec),
            5,
            4 * GIB,
            10,
            **LONG_LIMITS,
            description=f"Transcoding to {codec} in hardware",
            codec=codec,
        )
        for codec in VideoCodec
    ),
)
STEPS = (
    StepKind(ENCODE_RENDITION, "transcode", weight=93, rate=Rate(20, MINUTE)),
    StepKind(ENCODE_WHOLE, "transcode", weight=93),
    StepKind(ENCODE_CHUNK, "transcode", weight=20),
    StepKind(ENCODE_TRACKS, "transcode", weight=5),
    StepKind(JOIN_CHUNKS, "transcode", weight=4),
)
