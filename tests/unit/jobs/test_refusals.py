# ruff: noqa: E501 - each sentence stands whole in its line
"""What is said where a job's parameters do not fit: every sentence and code, as they are.

A change of a sentence is a change of this table; the codes never change.
"""

from __future__ import annotations

from typing import Any

import pytest

from cinemill.catalog import CATALOG
from cinemill.errors import InputRejected

USUAL = InputRejected.hint
"""The hint where there is no better one."""

REFUSALS: list[tuple[str, dict[str, Any], str, str, str]] = [
    (
        "process_video",
        {"pth": 1},
        "params_invalid",
        "Unknown parameter: pth.",
        "Did you mean path? Use some of: best_effort, path, profile, provider, thumbnail_seconds.",
    ),
    (
        "process_video",
        {"thumbnail_seconds": -1},
        "timestamp_invalid",
        "thumbnail_seconds must be a number of seconds from 0 to 1000000000, not -1.",
        USUAL,
    ),
    (
        "process_video",
        {"thumbnail_seconds": "soon"},
        "timestamp_invalid",
        "thumbnail_seconds must be a number of seconds from 0 to 1000000000, not 'soon'.",
        USUAL,
    ),
    (
        "process_video",
        {"thumbnail_seconds": True},
        "timestamp_invalid",
        "thumbnail_seconds must be a number of seconds from 0 to 1000000000, not True.",
        USUAL,
    ),
    (
        "process_video",
        {"thumbnail_seconds": 10**400},
        "timestamp_invalid",
        "thumbnail_seconds must be a number of seconds from 0 to 1000000000, not 100000000000000000000000000000000000000000000000000000000000000000000000000000.….",
        USUAL,
    ),
    (
        "process_video",
        {"path": 5, "_": None},
        "params_invalid",
        "Unknown parameter: _.",
        "Use some of: best_effort, path, profile, provider, thumbnail_seconds.",
    ),
    (
        "transcode",
        {"nonsense": 1, "other": 2},
        "params_invalid",
        "Unknown parameters: nonsense, other.",
        "Use some of: best_effort, chunk_seconds, options, path.",
    ),
    (
        "transcode",
        {"chunk_seconds": 0.5},
        "params_invalid",
        "chunk_seconds must be a number of seconds, 1 or more, or 0 for a video in one piece, not 0.5.",
        USUAL,
    ),
    (
        "transcode",
        {"chunk_seconds": "ten"},
        "params_invalid",
        "chunk_seconds must be a number of seconds, 1 or more, or 0 for a video in one piece, not 'ten'.",
        USUAL,
    ),
    (
        "transcode",
        {"chunk_seconds": True},
        "params_invalid",
        "chunk_seconds must be a number of seconds, 1 or more, or 0 for a video in one piece, not True.",
        USUAL,
    ),
    (
        "transcode",
        {"options": "h264"},
        "params_invalid",
        "options must be an object, such as {'codec': 'h264'}, not 'h264'.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"nonsense": 1}},
        "params_invalid",
        "Unknown parameter: options.nonsense.",
        "Use some of: audio, audio_bitrate, bitrate, codec, container, crf, fps, height, preset, use_gpu, vmaf_min, width.",
    ),
    (
        "transcode",
        {"options": {"heigth": 720}},
        "params_invalid",
        "Unknown parameter: options.heigth.",
        "Did you mean height? Use some of: audio, audio_bitrate, bitrate, codec, container, crf, fps, height, preset, use_gpu, vmaf_min, width.",
    ),
    (
        "transcode",
        {"options": {"codec": "h266"}},
        "params_invalid",
        "options.codec must be one of h264, h265, vp9, av1, not 'h266'.",
        "Did you mean h265?",
    ),
    (
        "transcode",
        {"options": {"codec": 5}},
        "params_invalid",
        "options.codec must be one of h264, h265, vp9, av1, not 5.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"container": "avi"}},
        "params_invalid",
        "options.container must be one of mp4, webm, mkv, not 'avi'.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"audio": "mp3"}},
        "params_invalid",
        "options.audio must be one of auto, aac, opus, copy, none, not 'mp3'.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"preset": "tv"}},
        "params_invalid",
        "options.preset must be one of archive, web, mobile, not 'tv'.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"width": 1}},
        "params_invalid",
        "options.width must be a whole number of pixels from 2 to 16384, not 1.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"width": 16385}},
        "params_invalid",
        "options.width must be a whole number of pixels from 2 to 16384, not 16385.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"height": "720"}},
        "params_invalid",
        "options.height must be a whole number of pixels from 2 to 16384, not '720'.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"height": True}},
        "params_invalid",
        "options.height must be a whole number of pixels from 2 to 16384, not True.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"height": 720.5}},
        "params_invalid",
        "options.height must be a whole number of pixels from 2 to 16384, not 720.5.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"bitrate": "fast"}},
        "params_invalid",
        "options.bitrate must be a number of bits per second, such as 5M, 800k or 5000000, not 'fast'.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"bitrate": True}},
        "params_invalid",
        "options.bitrate must be a number of bits per second, such as 5M, 800k or 5000000, not True.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"bitrate": "1"}},
        "params_invalid",
        "options.bitrate must be between 8000 and 2000000000 bits a second, not '1'.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"bitrate": "9000M"}},
        "params_invalid",
        "options.bitrate must be between 8000 and 2000000000 bits a second, not '9000M'.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"audio_bitrate": "loud"}},
        "params_invalid",
        "options.audio_bitrate must be a number of bits per second, such as 5M, 800k or 5000000, not 'loud'.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"audio_bitrate": 1}},
        "params_invalid",
        "options.audio_bitrate must be between 8000 and 2000000000 bits a second, not 1.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"crf": 52}},
        "params_invalid",
        "options.crf must be a whole number from 0 to 51 for h264, not 52.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"crf": "20"}},
        "params_invalid",
        "options.crf must be a whole number from 0 to 51 for h264, not '20'.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"crf": 0, "codec": "av1"}},
        "params_invalid",
        "options.crf must be a whole number from 1 to 63 for av1, not 0.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"crf": True}},
        "params_invalid",
        "options.crf must be a whole number from 0 to 51 for h264, not True.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"fps": "fast"}},
        "params_invalid",
        "options.fps must be a number of frames a second, such as 25, 23.976 or 30000/1001, not 'fast'.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"fps": 0}},
        "params_invalid",
        "options.fps must be above 0 and at most 240 frames a second, not 0.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"fps": 241}},
        "params_invalid",
        "options.fps must be above 0 and at most 240 frames a second, not 241.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"fps": "1/0"}},
        "params_invalid",
        "options.fps must be a number of frames a second, such as 25, 23.976 or 30000/1001, not '1/0'.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"fps": True}},
        "params_invalid",
        "options.fps must be a number of frames a second, such as 25, 23.976 or 30000/1001, not True.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"vmaf_min": 0}},
        "params_invalid",
        "options.vmaf_min must be a number above 0 and below 100, not 0.",
        "93 is common; even a perfect copy of a still image gets no more than 97.4.",
    ),
    (
        "transcode",
        {"options": {"vmaf_min": 100}},
        "params_invalid",
        "options.vmaf_min must be a number above 0 and below 100, not 100.",
        "93 is common; even a perfect copy of a still image gets no more than 97.4.",
    ),
    (
        "transcode",
        {"options": {"vmaf_min": "93"}},
        "params_invalid",
        "options.vmaf_min must be a number above 0 and below 100, not '93'.",
        "93 is common; even a perfect copy of a still image gets no more than 97.4.",
    ),
    (
        "transcode",
        {"options": {"vmaf_min": True}},
        "params_invalid",
        "options.vmaf_min must be a number above 0 and below 100, not True.",
        "93 is common; even a perfect copy of a still image gets no more than 97.4.",
    ),
    (
        "transcode",
        {"options": {"use_gpu": 1}},
        "params_invalid",
        "options.use_gpu must be true or false, not 1.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"use_gpu": "yes"}},
        "params_invalid",
        "options.use_gpu must be true or false, not 'yes'.",
        USUAL,
    ),
    (
        "transcode",
        {"options": {"codec": "h264", "container": "webm"}},
        "combination_impossible",
        "webm cannot hold h264.",
        "Use av1, vp9, or another container.",
    ),
    (
        "transcode",
        {"options": {"codec": "vp9", "container": "webm", "audio": "aac"}},
        "combination_impossible",
        "webm cannot hold aac audio.",
        "Use auto, copy, none, opus, or another container.",
    ),
    (
        "transcode",
        {"options": {"bitrate": "5M", "crf": 20}},
        "combination_impossible",
        "bitrate and crf cannot be combined.",
        "Set one of them, or neither.",
    ),
    (
        "make_ladder",
        {"presets": "web"},
        "params_invalid",
        "Unknown parameter: presets.",
        "Did you mean preset? Use some of: best_effort, path, preset.",
    ),
    (
        "make_ladder",
        {"preset": "tv"},
        "params_invalid",
        "preset must be one of archive, web, mobile, not 'tv'.",
        USUAL,
    ),
    (
        "make_ladder",
        {"preset": 5},
        "params_invalid",
        "preset must be one of archive, web, mobile, not 5.",
        USUAL,
    ),
    (
        "generate_preview",
        {"frames": 1},
        "params_invalid",
        "Unknown parameter: frames.",
        "Did you mean num_frames? Use some of: animated, height, num_frames, path, sheet.",
    ),
    (
        "generate_preview",
        {"num_frames": 0},
        "params_invalid",
        "num_frames must be a whole number from 1 to 200, not 0.",
        USUAL,
    ),
    (
        "generate_preview",
        {"num_frames": 201},
        "params_invalid",
        "num_frames must be a whole number from 1 to 200, not 201.",
        USUAL,
    ),
    (
        "generate_preview",
        {"num_frames": "ten"},
        "params_invalid",
        "num_frames must be a whole number from 1 to 200, not 'ten'.",
        USUAL,
    ),
    (
        "generate_preview",
        {"num_frames": 2.5},
        "params_invalid",
        "num_frames must be a whole number from 1 to 200, not 2.5.",
        USUAL,
    ),
    (
        "generate_preview",
        {"num_frames": True},
        "params_invalid",
        "num_frames must be a whole number from 1 to 200, not True.",
        USUAL,
    ),
    (
        "generate_preview",
        {"num_frames": None},
        "params_invalid",
        "num_frames must be a whole number from 1 to 200, not None.",
        USUAL,
    ),
    (
        "generate_preview",
        {"height": 0},
        "params_invalid",
        "height must be a whole number from 1 to 2160, not 0.",
        USUAL,
    ),
    (
        "generate_preview",
        {"height": 2161},
        "params_invalid",
        "height must be a whole number from 1 to 2160, not 2161.",
        USUAL,
    ),
    (
        "generate_preview",
        {"animated": "yes"},
        "params_invalid",
        "animated must be true or false, not 'yes'.",
        USUAL,
    ),
    (
        "generate_preview",
        {"animated": 1},
        "params_invalid",
        "animated must be true or false, not 1.",
        USUAL,
    ),
    (
        "generate_preview",
        {"sheet": True},
        "params_invalid",
        "sheet must be an object, such as {'columns': 4}, not True.",
        USUAL,
    ),
    (
        "generate_preview",
        {"sheet": {"columns": 0}},
        "params_invalid",
        "sheet.columns must be a whole number from 1 to 20, not 0.",
        USUAL,
    ),
    (
        "generate_preview",
        {"sheet": {"columns": 21}},
        "params_invalid",
        "sheet.columns must be a whole number from 1 to 20, not 21.",
        USUAL,
    ),
    (
        "generate_preview",
        {"sheet": {"rows": 2}},
        "params_invalid",
        "Unknown parameter: sheet.rows.",
        "Use some of: columns.",
    ),
    (
        "caption",
        {"modle": "base"},
        "params_invalid",
        "Unknown parameter: modle.",
        "Did you mean model? Use some of: language, model, path, translate, words.",
    ),
    (
        "caption",
        {"model": "huge"},
        "params_invalid",
        "model must be one of tiny, tiny.en, base, small, medium, large, not 'huge'.",
        USUAL,
    ),
    (
        "caption",
        {"model": 5},
        "params_invalid",
        "model must be one of tiny, tiny.en, base, small, medium, large, not 5.",
        USUAL,
    ),
    (
        "caption",
        {"language": "klingon"},
        "language_unknown",
        "language must be the code of a language that the models know, not 'klingon'.",
        "Use a code such as en, de or ja, or leave it out to have it detected.",
    ),
    (
        "caption",
        {"language": 5},
        "language_unknown",
        "language must be the code of a language that the models know, not 5.",
        "Use a code such as en, de or ja, or leave it out to have it detected.",
    ),
    (
        "caption",
        {"translate": "yes"},
        "params_invalid",
        "translate must be true or false, not 'yes'.",
        USUAL,
    ),
    (
        "caption",
        {"translate": True, "model": "tiny.en"},
        "translation_impossible",
        "The model tiny.en knows English only, so it cannot translate.",
        "Use a multilingual model: tiny, base, small, medium, large.",
    ),
    (
        "caption",
        {"language": "de", "model": "tiny.en"},
        "language_unknown",
        "The model tiny.en knows English only, not 'de'.",
        "Use a multilingual model: tiny, base, small, medium, large.",
    ),
    ("caption", {"words": 1}, "params_invalid", "words must be true or false, not 1.", USUAL),
    (
        "cleanup",
        {"max_age": 1},
        "params_invalid",
        "Unknown parameter: max_age.",
        "Did you mean max_age_days? Use some of: max_age_days, max_size_gb.",
    ),
    (
        "cleanup",
        {"max_age_days": -1},
        "params_invalid",
        "max_age_days must be a number from 0 to 1000000000, not -1.",
        USUAL,
    ),
    (
        "cleanup",
        {"max_age_days": "seven"},
        "params_invalid",
        "max_age_days must be a number from 0 to 1000000000, not 'seven'.",
        USUAL,
    ),
    (
        "cleanup",
        {"max_age_days": True},
        "params_invalid",
        "max_age_days must be a number from 0 to 1000000000, not True.",
        USUAL,
    ),
    (
        "cleanup",
        {"max_size_gb": -1},
        "params_invalid",
        "max_size_gb must be a number from 0 to 1000000000, not -1.",
        USUAL,
    ),
    (
        "cleanup",
        {"max_size_gb": None},
        "params_invalid",
        "max_size_gb must be a number from 0 to 1000000000, not None.",
        USUAL,
    ),
    (
        "cleanup_old_jobs",
        {"days": -1},
        "params_invalid",
        "days must be a number of days from 0 to 36,500, not -1.",
        USUAL,
    ),
    (
        "batch_process_videos",
        {"assets": []},
        "params_invalid",
        "A batch needs at least one video.",
        "Pass the list as the first argument, or as the parameter 'assets'.",
    ),
    (
        "batch_process_videos",
        {"assets": ["a"] * 1001},
        "batch_too_long",
        "A batch has at most 1000 videos, this has 1001.",
        "Submit several batches.",
    ),
    (
        "batch_process_videos",
        {"assets": "a.mp4"},
        "params_invalid",
        "assets must be a list of ids of assets and of paths of videos, not 'a.mp4'.",
        "Pass the list as the first argument, or as the parameter 'assets'.",
    ),
    (
        "retry_failed_tasks",
        {"job": "a"},
        "params_invalid",
        "retry_failed_tasks takes an asset or a job, not both.",
        USUAL,
    ),
    (
        "collect_garbage",
        {"days": 3},
        "params_invalid",
        "Unknown parameter: days.",
        "It takes no parameters.",
    ),
    (
        "check_stuck_jobs",
        {"hours": 1},
        "params_invalid",
        "Unknown parameter: hours.",
        "It takes no parameters.",
    ),
    (
        "get_queue_stats",
        {"a": 1},
        "params_invalid",
        "Unknown parameter: a.",
        "It takes no parameters.",
    ),
    (
        "monitor_resources",
        {"a": 1},
        "params_invalid",
        "Unknown parameter: a.",
        "It takes no parameters.",
    ),
    (
        "render_video",
        {},
        "timeline_invalid",
        "job must be a timeline, an object with clips or tracks, not None.",
        "Pass the timeline as the only argument, or as the parameter 'job'.",
    ),
    (
        "render_video",
        {"jobs": []},
        "params_invalid",
        "Unknown parameter: jobs.",
        "Did you mean job? Use some of: job.",
    ),
    (
        "render_video",
        {"job": {}, "more": 1},
        "params_invalid",
        "Unknown parameter: more.",
        "Use some of: job.",
    ),
    (
        "batch_render",
        {},
        "params_invalid",
        "jobs is missing.",
        "Pass the list as the only argument, or as the parameter 'jobs'.",
    ),
    (
        "batch_render",
        {"jobs": {}},
        "params_invalid",
        "jobs must be a list of timelines, not {}.",
        "Pass the list as the only argument, or as the parameter 'jobs'.",
    ),
    (
        "batch_render",
        {"jobs": []},
        "params_invalid",
        "A batch needs at least one timeline.",
        "Pass the list as the only argument, or as the parameter 'jobs'.",
    ),
    (
        "batch_render",
        {"jobs": [{}], "more": 1},
        "params_invalid",
        "Unknown parameter: more.",
        "Use some of: jobs.",
    ),
    (
        "batch_render",
        {"jobs": [{}] * 1001},
        "batch_too_long",
        "A batch has at most 1000 timelines, this has 1001.",
        "Submit several batches.",
    ),
    (
        "batch_render",
        {"job": {}},
        "params_invalid",
        "Unknown parameter: job.",
        "Did you mean jobs? Use some of: jobs.",
    ),
]

WITHOUT_ASSET: list[tuple[str, dict[str, Any], str, str]] = [
    ("process_video", {}, "source_missing", "process_video needs an asset or the path of a video."),
    (
        "process_video",
        {"path": ""},
        "source_missing",
        "process_video needs an asset or the path of a video.",
    ),
    ("process_video", {"path": 5}, "path_invalid", "path must be a text, not 5."),
    ("process_video", {"path": "a\x00b"}, "path_invalid", "path must not contain NUL characters."),
    ("process_video", {"path": "a" * 5000}, "path_invalid", "path is longer than 4096 bytes."),
    ("transcode", {}, "source_missing", "transcode needs an asset or the path of a video."),
    ("make_ladder", {}, "source_missing", "make_ladder needs an asset or the path of a video."),
    (
        "generate_preview",
        {},
        "source_missing",
        "generate_preview needs an asset or the path of a video.",
    ),
    ("caption", {}, "source_missing", "caption needs an asset or the path of a video."),
    ("caption", {"path": ["a"]}, "path_invalid", "path must be a text, not ['a']."),
]
NO_ASSET = frozenset({"render_video", "batch_render", "batch_process_videos"})


def refuse(kind: str, params: dict[str, Any], asset_id: str | None) -> InputRejected:
    with pytest.raises(InputRejected) as refused:
        CATALOG.plan(kind, params, asset_id)
    return refused.value


@pytest.mark.parametrize(
    ("kind", "params", "code", "sentence", "hint"),
    REFUSALS,
    ids=[f"{kind}-{str(params)[:40]}" for kind, params, *_ in REFUSALS],
)
def test_refusal_names_the_parameter_and_what_it_takes(
    kind: str, params: dict[str, Any], code: str, sentence: str, hint: str
) -> None:
    error = refuse(kind, params, None if kind in NO_ASSET else "asset")
    assert (error.code, error.message, error.hint) == (code, sentence, hint)


@pytest.mark.parametrize(
    ("kind", "params", "code", "sentence"),
    WITHOUT_ASSET,
    ids=[f"{kind}-{str(params)[:40]}" for kind, params, *_ in WITHOUT_ASSET],
)
def test_job_without_a_video_is_refused(
    kind: str, params: dict[str, Any], code: str, sentence: str
) -> None:
    error = refuse(kind, params, None)
    assert (error.code, error.message) == (code, sentence)


@pytest.mark.parametrize("path", [7, ["a"], True, ""])
def test_path_next_to_an_asset_is_ignored(path: Any) -> None:
    assert CATALOG.plan("process_video", {"path": path}, "asset")


@pytest.mark.parametrize("path", ["", 0, [], False, None])
def test_empty_path_without_an_asset_is_a_missing_source(path: Any) -> None:
    assert refuse("process_video", {"path": path}, None).code == "source_missing"


@pytest.mark.parametrize("options", [None, "", [], {}, False, 0])
def test_empty_options_of_a_transcode_are_the_defaults(options: Any) -> None:
    usual = CATALOG.plan("transcode", {}, "asset")
    assert CATALOG.plan("transcode", {"options": options}, "asset") == usual


@pytest.mark.parametrize(
    "options", [{"codec": "\ud800"}, {"preset": "web\udfff"}, {"container": "\udc00"}]
)
def test_text_that_is_not_unicode_has_a_code_of_its_own(options: dict[str, str]) -> None:
    error = refuse("transcode", {"options": options}, "asset")
    assert error.code in ("params_not_json", "params_invalid")
    error.message.encode()


@pytest.mark.parametrize("bitrate", ["9" * 100_000, f"0.{'1' * 100_000}", [5], {"a": 1}])
def test_bitrate_of_any_length_is_refused_at_once(bitrate: Any) -> None:
    error = refuse("transcode", {"options": {"bitrate": bitrate}}, "asset")
    assert "bits per second" in error.message
    assert len(error.message) < 500
