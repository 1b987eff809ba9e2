"""``cinemill evaluate benchmark``: a published benchmark, on the videos of it that are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.choices import BenchmarkSplit
from cinemill.cli.commands.evaluate import tables
from cinemill.cli.console import print_json, print_message
from cinemill.errors import InputRejected

if TYPE_CHECKING:
    from cinemill.capabilities.search.evaluation.benchmarks.records import (
        ChoiceBenchmark,
        MomentBenchmark,
    )
    from cinemill.capabilities.search.evaluation.benchmarks.videos import FoundVideos
    from cinemill.capabilities.search.evaluation.metrics.report import EvaluationReport
    from cinemill.cli.commands.evaluate.benchmark_run import IngestedVideos
    from cinemill.cli.progress import Display
    from cinemill.client import Client
    from cinemill.core.documents import JsonObject
    from cinemill.inference.language_models.server_model import ServerModel

SPLIT: BenchmarkSplit = "test"
MOST_NAMED = 10


class BenchmarkName(StrEnum):
    """The benchmarks that are read."""

    MSR_VTT = "msr-vtt"
    QVHIGHLIGHTS = "qvhighlights"
    VIDEO_MME = "video-mme"


@dataclass(frozen=True, slots=True)
class _Run:
    """What came of a benchmark."""

    ingested: IngestedVideos
    report: EvaluationReport
    pictures_missing: str = ""
    """Code of the reason why pictures were not searched, though they were to be."""
    unanswered: int | None = None
    """Questions with options to which the model's reply chose none."""


def evaluate_benchmark(
    name: Annotated[BenchmarkName, typer.Argument(metavar="NAME", help="The benchmark.")],
    annotations: Annotated[
        Path,
        typer.Argument(
            metavar="ANNOTATIONS", help="The benchmark's own file of questions.", dir_okay=False
        ),
    ],
    videos: Annotated[
        Path,
        typer.Argument(
            metavar="VIDEOS",
            help="Folder of its videos, with the file names that the annotations use.",
            file_okay=False,
        ),
    ],
    profile: options.Profile = "full",
    split: Annotated[
        BenchmarkSplit,
        typer.Option(help="Of msr-vtt: train, validate or test. The table 1k-A has none."),
    ] = SPLIT,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use at most this many of the videos that are found.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Ingest the videos of a benchmark, ask its questions, and measure what is found.

    msr-vtt looks for videos by their captions, qvhighlights for moments of a video, and with
    video-mme the language model chooses among options. Videos that are missing or cannot be
    ingested are counted, and questions about them are left out.

    Uses the running server, or starts a temporary one. The videos stay there, in a collection of
    the benchmark's name: use a CINEMILL_HOME of its own.
    """
    from cinemill.capabilities.search.evaluation.benchmarks.videos import find_videos
    from cinemill.cli.commands.process import work_on_any_server

    benchmark = _read_benchmark(name, annotations, split)
    model = _open_model() if name is BenchmarkName.VIDEO_MME else None
    found = find_videos(videos, (question.video for question in benchmark.questions))
    used = replace(found, files=dict(list(found.files.items())[:limit]))
    order = _Order(name, benchmark, used, profile, model)
    try:
        run = work_on_any_server(lambda client, display: _run(client, display, order), json=json)
    finally:
        if model is not None:
            model.close()
    left_out = _count_left_out(benchmark, found, used, run.ingested)
    measured = sum(one.video in run.ingested.assets for one in benchmark.questions)
    if json:
        print_json(_to_json(benchmark.name, found, run, measured, left_out))
        return
    tables.print_report(benchmark.name, run.report)
    _print_questions(measured, left_out)
    _print_videos(found, run)


def _to_json(
    name: str, found: FoundVideos, run: _Run, measured: int, left_out: Mapping[str, int]
) -> JsonObject:
    return {
        "benchmark": name,
        "videos": {"missing": list(found.missing), **asdict(run.ingested)},
        "questions": {
            "measured": measured,
            "left_out": dict(left_out),
            "unanswered": run.unanswered,
        },
        "pictures_missing": run.pictures_missing,
        "figures": run.report.to_json(),
    }


@dataclass(frozen=True, slots=True)
class _Order:
    name: BenchmarkName
    benchmark: MomentBenchmark | ChoiceBenchmark
    videos: FoundVideos
    profile: str
    model: ServerModel | None


def _read_benchmark(
    name: BenchmarkName, path: Path, split: str
) -> MomentBenchmark | ChoiceBenchmark:
    """Return the questions of a benchmark's file. Raises BenchmarkInvalid, BenchmarkTooLarge."""
    from cinemill.capabilities.search.evaluation.benchmarks import (
        msr_vtt,
        qvhighlights,
        video_mme,
    )

    match name:
        case BenchmarkName.MSR_VTT:
            return msr_vtt.read_msr_vtt(path, split=split)
        case BenchmarkName.QVHIGHLIGHTS:
            return qvhighlights.read_qvhighlights(path)
        case BenchmarkName.VIDEO_MME:
            return video_mme.read_video_mme(path)


def _open_model() -> ServerModel:
    """Return the language model of the settings. Raises InputRejected if there is none."""
    from cinemill.inference.language_models.address import LanguageModelAddress
    from cinemill.inference.language_models.open import open_language_model

    settings = connect.load_settings()
    if settings.language_model is None:
        raise InputRejected(
            "Video-MME's questions have options, and only a language model chooses among them; "
            "none is set.",
            code="language_model_missing",
            hint="Set CINEMILL_LANGUAGE_MODEL and CINEMILL_LANGUAGE_MODEL_URL.",
        )
    key = settings.language_model_key
    return open_language_model(
        LanguageModelAddress(
            settings.language_model,
            settings.language_model_api,
            settings.language_model_url or "",
            "" if key is None else key.get_secret_value(),
        )
    )


def _run(client: Client, display: Display, order: _Order) -> _Run:
    from cinemill.capabilities.search.evaluation.benchmarks.records import MomentBenchmark
    from cinemill.capabilities.search.evaluation.metrics.report import EvaluationReport
    from cinemill.cli.commands.evaluate import benchmark_run

    collection = f"benchmark {order.name.value}"
    ingested = benchmark_run.ingest_videos(
        client, display, order.videos.files, order.profile, collection
    )
    is_about_pictures = isinstance(order.benchmark, MomentBenchmark) and order.profile == "full"
    library = benchmark_run.Library(client, collection, ingested.assets, is_about_pictures)
    if not ingested.assets:
        return _Run(ingested, EvaluationReport({}))
    benchmark = order.benchmark
    if isinstance(benchmark, MomentBenchmark):
        asked = [one for one in benchmark.questions if one.video in ingested.assets]
        measure = (
            benchmark_run.measure_captions
            if order.name is BenchmarkName.MSR_VTT
            else benchmark_run.measure_moments
        )
        report = measure(library, asked)
        return _Run(ingested, report, library.pictures_missing)
    chosen = tuple(one for one in benchmark.questions if one.video in ingested.assets)
    if order.model is None:
        raise ValueError("questions with options need a language model")
    report, unanswered = benchmark_run.measure_choices(
        library, replace(benchmark, questions=chosen), order.model
    )
    return _Run(ingested, report, unanswered=unanswered)


def _count_left_out(
    benchmark: MomentBenchmark | ChoiceBenchmark,
    found: FoundVideos,
    used: FoundVideos,
    ingested: IngestedVideos,
) -> dict[str, int]:
    """Return how many questions were not asked, by the reason."""
    left_out: Counter[str] = Counter(getattr(benchmark, "skipped", {}))
    missing = set(found.missing)
    for question in benchmark.questions:
        if question.video in ingested.assets:
            continue
        if question.video in missing:
            left_out["video missing"] += 1
        elif question.video in used.files:
            left_out["video could not be ingested"] += 1
        else:
            left_out["video beyond --limit"] += 1
    return dict(left_out)


def _print_questions(measured: int, left_out: Mapping[str, int]) -> None:
    were = _agree(measured, "question was", "questions were")
    print_message(f"{were} measured.")
    for reason, count in left_out.items():
        print_message(f"Left out {_agree(count, 'question', 'questions')}: {reason}.")


def _print_videos(found: FoundVideos, run: _Run) -> None:
    missing, ingested = found.missing, run.ingested
    used, named = len(ingested.assets), len(found.files) + len(missing)
    videos = f"{used} of {_agree(named, 'video', 'videos')} {'was' if used == 1 else 'were'} used"
    print_message(f"{videos}; {_agree(len(missing), 'is', 'are')} missing.")
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        print_message(f"Missing: {', '.join(missing[:MOST_NAMED])}{more}")
    for name, code in ingested.failed.items():
        print_message(f"{name} could not be ingested ({code}).")
    for gap, count in ingested.gaps.items():
        videos = _agree(count, "video", "videos")
        print_message(f"In {videos} something could not be found out: {gap}")
    if run.pictures_missing:
        print_message(f"Pictures could not be found by words ({run.pictures_missing}).")
    if run.unanswered:
        print_message(
            f"The model chose no option for {_agree(run.unanswered, 'question', 'questions')}; "
            f"{'it counts' if run.unanswered == 1 else 'they count'} as wrong."
        )


def _agree(count: int, one: str, several: str) -> str:
    """Return a number with the words that agree with it."""
    return f"{count} {one if count == 1 else several}"
