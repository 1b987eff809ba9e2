"""What stands in databases stays as it is: the keys of what was made, and the steps of queued jobs.

Another key for the same work would have all of it done again, as it was meant when outputs began to
state their colors; another step could not be run by a worker of the version before.
"""

from __future__ import annotations

from typing import Any

import pytest

from cinemill.capabilities.captions.handlers import transcript_key
from cinemill.capabilities.captions.request import SpeechParameters
from cinemill.capabilities.ingest.handlers import read_request
from cinemill.capabilities.ingest.handlers import step_key as ingest_key
from cinemill.capabilities.ingest.plan import IngestParameters
from cinemill.capabilities.previews.handlers import step_key as previews_key
from cinemill.capabilities.streaming.handlers import step_key as stream_key
from cinemill.capabilities.transcode.handlers import step_key as rendition_key
from cinemill.catalog import CATALOG
from cinemill.core.encoding.rendition import read_rendition
from cinemill.core.parameter_reader import read_parameters
from cinemill.steps.ingestion.spoken_text import captions_key

WEBM = {
    "codec": "vp9",
    "container": "webm",
    "width": 1280,
    "height": 720,
    "bitrate": "5M",
    "audio": "opus",
    "audio_bitrate": "128k",
    "preset": "archive",
}
EXACT = {"fps": "23.976", "crf": 20, "vmaf_min": 93, "use_gpu": True, "codec": "H265"}


@pytest.mark.parametrize(
    ("options", "key"),
    [({}, "ca5e2556857d372c"), (WEBM, "c5e130d546299c87"), (EXACT, "b7468f1ce0c463bc")],
)
def test_rendition_keeps_its_key(options: dict[str, Any], key: str) -> None:
    assert rendition_key("film", read_rendition(options)).startswith(key)


@pytest.mark.parametrize(
    ("params", "key"),
    [
        ({}, "57d42c69d8fb4e1d"),
        ({"thumbnail_seconds": 1.5}, "ecf3b0380e10dc03"),
        ({"thumbnail_seconds": 3}, "d93a3e8c3873b923"),
    ],
)
def test_ingest_keeps_its_key(params: dict[str, Any], key: str) -> None:
    request = read_request(read_parameters(IngestParameters, params))
    assert ingest_key("film", request).startswith(key)


def test_previews_and_streams_keep_their_keys() -> None:
    assert previews_key("film", 10, 360).startswith("7c840c75052b2526")
    assert stream_key("film", "ladder", {"preset": "web"}).startswith("9c3c979cc618d2e4")
    assert stream_key("film", "copy", {}).startswith("1c0a10cf9f7858dc")


@pytest.mark.parametrize(
    ("params", "key"),
    [
        ({}, "a462b9aa57ff5196"),
        ({"model": "small", "language": "FR", "translate": True}, "b82fb45f09e0b2d5"),
    ],
)
def test_transcript_keeps_its_key(params: dict[str, Any], key: str) -> None:
    request = read_parameters(SpeechParameters, params).as_request()
    assert transcript_key("film", request, "weights").startswith(key)


def test_captions_keep_their_keys() -> None:
    assert captions_key("k", with_words=True).startswith("164d09a59b82c3a1")
    assert captions_key("k", with_words=False).startswith("9332614e10e1d034")


STEPS: list[tuple[str, dict[str, Any], str | None, list[Any]]] = [
    (
        "process_video",
        {"path": "/a.mp4", "thumbnail_seconds": 2},
        None,
        [
            ("intake", "intake_source", {}, (), None),
            ("probe", "probe_source", {}, ("intake",), None),
            ("prepare", "prepare_source", {}, ("probe",), None),
        ],
    ),
    (
        "transcode",
        {
            "options": {"codec": "vp9", "container": "webm", "bitrate": "5M", "fps": "23.976"},
            "chunk_seconds": 5,
        },
        "asset",
        [
            ("probe", "probe_source", {}, (), None),
            (
                "encode",
                "encode_rendition",
                {
                    "codec": "vp9",
                    "container": "webm",
                    "bitrate": 5000000,
                    "fps": "24000/1001",
                    "audio": "auto",
                    "preset": "web",
                },
                ("probe",),
                None,
            ),
        ],
    ),
    (
        "make_ladder",
        {"preset": "mobile"},
        "asset",
        [
            ("probe", "probe_source", {}, (), None),
            ("open", "open_stream", {}, ("probe",), None),
            ("ladder", "build_ladder", {"preset": "mobile"}, ("probe", "open"), None),
        ],
    ),
    (
        "generate_preview",
        {"num_frames": 3, "sheet": {}, "animated": True},
        "asset",
        [
            ("probe", "probe_source", {}, (), None),
            (
                "stills",
                "extract_stills",
                {"num_frames": 3, "height": 360, "animated": True, "sheet": {"columns": 4}},
                ("probe",),
                None,
            ),
        ],
    ),
    (
        "caption",
        {"model": "small", "language": "FR", "words": False},
        "asset",
        [
            ("probe", "probe_source", {}, (), None),
            (
                "transcribe",
                "transcribe_speech",
                {"model": "small", "language": "fr", "task": "transcribe"},
                ("probe",),
                None,
            ),
            ("captions", "write_captions", {"words": False}, ("transcribe",), None),
        ],
    ),
    (
        "cleanup",
        {"max_age_days": 7},
        None,
        [("clean", "clean_shelves", {"max_age_days": 7.0, "max_size_gb": 50.0}, (), None)],
    ),
    ("cleanup_old_jobs", {}, None, [("forget_old_jobs", "forget_old_jobs", {}, (), None)]),
    (
        "render_video",
        {
            "job": {
                "clips": [
                    {"path": "/a.mp4", "start": 0, "end": 2},
                    {"path": "/b.mp4", "start": 0, "end": 2},
                ],
                "use_gpu": True,
            }
        },
        None,
        [
            ("gather-000", "gather_sources", {"first": 0, "count": 1}, (), None),
            ("gather-001", "gather_sources", {"first": 1, "count": 1}, (), None),
            ("open", "open_render", {}, ("gather-000", "gather-001"), None),
            (
                "render-000",
                "render_pieces",
                {"first": 0, "count": 1, "of": 2},
                ("open", "gather-000"),
                "h264",
            ),
            (
                "render-001",
                "render_pieces",
                {"first": 1, "count": 1, "of": 2},
                ("open", "gather-001"),
                "h264",
            ),
            ("mix", "mix_sound", {}, ("open", "gather-000", "gather-001"), None),
            (
                "join",
                "join_render",
                {},
                ("gather-000", "gather-001", "open", "render-000", "render-001", "mix"),
                None,
            ),
        ],
    ),
]


@pytest.mark.parametrize(
    ("kind", "params", "asset_id", "steps"), STEPS, ids=lambda one: str(one)[:20]
)
def test_job_is_planned_as_it_was(
    kind: str, params: dict[str, Any], asset_id: str | None, steps: list[Any]
) -> None:
    planned = CATALOG.plan(kind, params, asset_id)
    found = [(one.name, one.kind, dict(one.params), one.after, one.hardware) for one in planned]
    assert found == steps
