"""The quality gate on small videos with grain, and frame pairing for VMAF.

The gate is passed at once, passed by a second attempt, or not passed; frames of unusual videos must
be paired correctly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests import films
from tests.integration.media.conftest import Processor

from cinemill.capabilities.transcode.quality_gate import encode_to_vmaf
from cinemill.core.encoding.rendition import read_rendition
from cinemill.errors import InputRejected, JobCancelled, ToolMissing
from cinemill.media.encoding.encode import EncodeOutcome
from cinemill.media.ffmpeg.session import FfmpegSession

ProgressReports = list[tuple[float, str]]


@pytest.fixture(scope="module")
def grainy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    codec = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "8", "-pix_fmt", "yuv420p")
    return films.make_film(
        tmp_path_factory.mktemp("films") / "grainy.mp4",
        size=(160, 90),
        codec=codec,
        filters="noise=alls=12:allf=t",
        has_sound=False,
    )


def make(
    processor: Processor,
    film: Path,
    progress_reports: ProgressReports | None = None,
    **options: Any,
) -> EncodeOutcome:
    progress = [] if progress_reports is None else progress_reports

    def open_session(begin: float, share: float, message: str) -> FfmpegSession:
        return FfmpegSession(
            processor.ffmpeg_binary,
            processor.folder,
            processor.limits,
            processor.sandbox,
            on_progress=lambda done: progress.append((begin + share * done, message)),
            should_stop=processor.should_stop,
        )

    request = read_rendition({"preset": "mobile", **options})
    return encode_to_vmaf(open_session, film, processor.probe(film), request)


def test_quality_gate_stops_after_a_good_first_attempt(processor: Processor, grainy: Path) -> None:
    outcome = make(processor, grainy, crf=12, vmaf_min=80)
    facts = outcome.facts
    assert facts["tries"] == [{"crf": 12, "vmaf": facts["vmaf"]}]
    assert 80 <= facts["vmaf_least"] <= facts["vmaf"] <= 100
    assert (facts["vmaf_min"], facts["vmaf_every"]) == (80, 1)
    assert facts["vmaf_model"] == "vmaf_v0.6.1"
    assert outcome.path.is_file()


def test_quality_gate_second_attempt_corrects_the_first(processor: Processor, grainy: Path) -> None:
    progress_reports: ProgressReports = []
    outcome = make(processor, grainy, progress_reports, crf=40, vmaf_min=90)
    first, second = outcome.facts["tries"]
    assert first["crf"] == 40
    assert second["crf"] < 40
    assert first["vmaf"] < 90 <= second["vmaf"] == outcome.facts["vmaf"]
    shares = [share for share, _ in progress_reports]
    assert all(before <= after for before, after in pairwise(shares))
    assert 0.8 < shares[-1] <= 1
    assert list(dict.fromkeys(message for _, message in progress_reports)) == [
        "Encoding",
        "Measuring quality (VMAF)",
        "Encoding again at higher quality",
    ]


def test_quality_gate_raises_a_requested_bitrate(processor: Processor, grainy: Path) -> None:
    outcome = make(processor, grainy, bitrate="100k", vmaf_min=85)
    first, second = (one["bitrate"] for one in outcome.facts["tries"])
    assert first == 100_000 < second <= 400_000


def test_quality_gate_failure_names_both_scores(processor: Processor, grainy: Path) -> None:
    with pytest.raises(
        InputRejected, match=r"99\.9 was required.* at crf 20, then .* at crf"
    ) as short:
        make(processor, grainy, crf=20, vmaf_min=99.9)
    assert short.value.code == "quality_not_reached"
    assert "vmaf_min to at most" in short.value.hint
    assert not short.value.is_retryable


@pytest.mark.parametrize(
    ("film", "options"),
    [
        (films.make_variable_rate, {}),
        (films.make_edit_list, {"container": "mkv"}),
        (films.make_late_picture, {"fps": "24000/1001"}),
        (films.make_rotated, {"height": 160}),
        (films.make_interlaced, {}),
        (films.make_hdr, {}),
    ],
    ids=["variable", "edit list", "late, another rate", "turned and smaller", "interlaced", "hdr"],
)
def test_vmaf_compares_frames_with_their_sources(
    processor: Processor, tmp_path: Path, film: Callable[[Path], Path], options: dict[str, Any]
) -> None:
    """Compared with neighboring frames they would score far less."""
    outcome = make(processor, film(tmp_path / "film.mp4"), crf=4, vmaf_min=99, **options)
    assert len(outcome.facts["tries"]) == 1
    assert outcome.facts["vmaf_least"] > 96


def test_ffmpeg_without_libvmaf_is_reported_before_any_work(
    processor: Processor, grainy: Path
) -> None:
    ffmpeg_binary = replace(
        processor.ffmpeg_binary, filters=processor.ffmpeg_binary.filters - {"libvmaf"}
    )
    with pytest.raises(ToolMissing, match="libvmaf") as missing:
        make(replace(processor, ffmpeg_binary=ffmpeg_binary), grainy, vmaf_min=90)
    assert "imageio-ffmpeg" in missing.value.hint
    assert not list(processor.folder.iterdir())


def test_vmaf_of_a_too_small_frame_is_rejected(processor: Processor, grainy: Path) -> None:
    with pytest.raises(InputRejected, match="VMAF cannot be measured") as refused:
        make(processor, grainy, height=16, vmaf_min=90)
    assert refused.value.code == "combination_impossible"


def test_vmaf_measurement_can_be_cancelled(processor: Processor, tmp_path: Path) -> None:
    # Long enough to measure for seconds: a shorter video ends before any progress is reported.
    film = films.make_film(tmp_path / "long.mp4", size=(640, 360), seconds=8, has_sound=False)
    progress_reports: ProgressReports = []

    def should_stop() -> Exception | None:
        is_measuring = (
            bool(progress_reports) and progress_reports[-1][1] == "Measuring quality (VMAF)"
        )
        return JobCancelled("enough") if is_measuring else None

    with pytest.raises(JobCancelled):
        make(replace(processor, should_stop=should_stop), film, progress_reports, vmaf_min=50)
