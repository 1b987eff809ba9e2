"""The quality gate on small films with grain: passed at once, passed by a second try, not passed;
and VMAF of ordinary oddities, whose pictures must be paired rightly."""

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

Told = list[tuple[float, str]]


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
    processor: Processor, film: Path, told: Told | None = None, **options: Any
) -> EncodeOutcome:
    progress = [] if told is None else told

    def open_session(begin: float, share: float, message: str) -> FfmpegSession:
        return FfmpegSession(
            processor.toolbox,
            processor.folder,
            processor.limits,
            processor.sandbox,
            on_progress=lambda done: progress.append((begin + share * done, message)),
            should_stop=processor.should_stop,
        )

    request = read_rendition({"preset": "mobile", **options})
    return encode_to_vmaf(open_session, film, processor.probe(film), request)


def test_a_try_that_is_good_enough_is_the_only_one(processor: Processor, grainy: Path) -> None:
    outcome = make(processor, grainy, crf=12, vmaf_min=80)
    facts = outcome.facts
    assert facts["tries"] == [{"crf": 12, "vmaf": facts["vmaf"]}]
    assert 80 <= facts["vmaf_least"] <= facts["vmaf"] <= 100
    assert (facts["vmaf_min"], facts["vmaf_every"]) == (80, 1)
    assert facts["vmaf_model"] == "vmaf_v0.6.1"
    assert outcome.path.is_file()


def test_a_second_try_makes_good_what_the_first_missed(processor: Processor, grainy: Path) -> None:
    told: Told = []
    outcome = make(processor, grainy, told, crf=40, vmaf_min=90)
    first, second = outcome.facts["tries"]
    assert first["crf"] == 40
    assert second["crf"] < 40
    assert first["vmaf"] < 90 <= second["vmaf"] == outcome.facts["vmaf"]
    shares = [share for share, _ in told]
    assert all(before <= after for before, after in pairwise(shares))
    assert 0.8 < shares[-1] <= 1
    assert list(dict.fromkeys(message for _, message in told)) == [
        "Encoding",
        "Measuring quality (VMAF)",
        "Encoding again at higher quality",
    ]


def test_a_bitrate_is_raised_where_one_was_asked_for(processor: Processor, grainy: Path) -> None:
    outcome = make(processor, grainy, bitrate="100k", vmaf_min=85)
    first, second = (one["bitrate"] for one in outcome.facts["tries"])
    assert first == 100_000 < second <= 400_000


def test_what_cannot_be_reached_fails_with_both_figures(processor: Processor, grainy: Path) -> None:
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
def test_pictures_are_compared_with_the_ones_that_they_were_made_of(
    processor: Processor, tmp_path: Path, film: Callable[[Path], Path], options: dict[str, Any]
) -> None:
    """Next to their neighbours they would score far less."""
    outcome = make(processor, film(tmp_path / "film.mp4"), crf=4, vmaf_min=99, **options)
    assert len(outcome.facts["tries"]) == 1
    assert outcome.facts["vmaf_least"] > 96


def test_an_ffmpeg_without_libvmaf_is_told_before_any_work(
    processor: Processor, grainy: Path
) -> None:
    toolbox = replace(processor.toolbox, filters=processor.toolbox.filters - {"libvmaf"})
    with pytest.raises(ToolMissing, match="libvmaf") as missing:
        make(replace(processor, toolbox=toolbox), grainy, vmaf_min=90)
    assert "imageio-ffmpeg" in missing.value.hint
    assert not list(processor.folder.iterdir())


def test_a_picture_too_small_to_be_measured_is_refused(processor: Processor, grainy: Path) -> None:
    with pytest.raises(InputRejected, match="VMAF cannot be measured") as refused:
        make(processor, grainy, height=16, vmaf_min=90)
    assert refused.value.code == "combination_impossible"


def test_a_cancel_stops_the_measuring(processor: Processor, tmp_path: Path) -> None:
    # Seconds of measuring: of a shorter film nothing is reported before it is over.
    film = films.make_film(tmp_path / "long.mp4", size=(640, 360), seconds=8, has_sound=False)
    told: Told = []

    def should_stop() -> Exception | None:
        is_measuring = bool(told) and told[-1][1] == "Measuring quality (VMAF)"
        return JobCancelled("enough") if is_measuring else None

    with pytest.raises(JobCancelled):
        make(replace(processor, should_stop=should_stop), film, told, vmaf_min=50)
