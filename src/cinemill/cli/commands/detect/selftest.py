"""``cinemill detect selftest``: whether detection works here, stage by stage."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.endings import Interrupted
from cinemill.cli.console import print_json, print_line, print_message
from cinemill.cli.exit_codes import ExitCode
from cinemill.cli.terminal.screen import paint
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from cinemill.capabilities.detection.detector import Detector
    from cinemill.cli.commands.detect.outcomes import Detection
    from cinemill.cli.commands.detect.registry import Registry
    from cinemill.client import Client
    from cinemill.config import Settings
    from cinemill.inference.models.cards import ModelCard

NAME = "selftest"


class Result(StrEnum):
    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


MARKS = {Result.OK: ("✓", "green"), Result.SKIPPED: ("–", "yellow"), Result.FAILED: ("✗", "red")}


@dataclass(frozen=True, slots=True)
class Stage:
    """What became of one stage of detection."""

    name: str
    result: Result
    detail: str
    hint: str = ""


def selftest(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A video with a face. Default: a generated test pattern, which shows none.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Test each stage of detection: models, head, decoding, faces, features, verdict and cache.

    Without a head, what needs one is skipped, and the verdict must be 'no model'. Exit code 1 if a
    stage fails.
    """
    from cinemill.cli.commands.detect.registry import open_registry
    from cinemill.cli.temporary_server import Stopped
    from cinemill.telemetry import configure_logging

    configure_logging(NAME, level="warning")  # Loading a model is logged, and stdout is for JSON.
    registry = open_registry()
    stages: list[Stage] = []
    try:
        for stage in run_stages(registry, file, quiet=json):
            stages.append(stage)
            if not json:
                _show(stage)
    except Stopped:
        raise Interrupted from None
    if json:
        print_json([asdict(stage) for stage in stages])
    if any(stage.result is Result.FAILED for stage in stages):
        raise typer.Exit(ExitCode.JOB_FAILED)


def _show(stage: Stage) -> None:
    mark, color = MARKS[stage.result]
    print_line(f"{paint(mark, color, sys.stdout)} {stage.name:<14} {stage.detail}")
    if stage.hint:
        print_line(f"  {'':<14} → {stage.hint}")


def run_stages(registry: Registry, file: Path | None, *, quiet: bool) -> Iterator[Stage]:
    """Yield each stage; what cannot mean anything after a failure is left out."""
    detector = None
    try:
        detector = _load_detector(registry)
        yield _describe_head(detector)
    except CinemillError as error:
        yield Stage("head", Result.FAILED, error.message, error.hint)
        return
    models = list(_check_models(registry, detector))
    yield from models
    if any(stage.result is Result.FAILED for stage in models):
        return
    settings = connect.load_settings()
    with tempfile.TemporaryDirectory(prefix="cinemill-selftest-") as folder:
        video = file or _make_video(settings, Path(folder))
        first, second = _examine_twice(settings, video, quiet=quiet)
    yield from judge(first, second, has_detector=detector is not None, has_face=file is not None)


def _load_detector(registry: Registry) -> Detector | None:
    from cinemill.capabilities.detection.detector import load_detector

    return load_detector(registry.options)


def _describe_head(detector: Detector | None) -> Stage:
    from cinemill.cli.commands.detect.registry import is_calibrated
    from cinemill.cli.commands.detect.verdict_view import GET_A_HEAD

    if detector is None:
        return Stage("head", Result.SKIPPED, "none is installed", GET_A_HEAD)
    ensemble = detector.ensemble
    if ensemble.missing:
        names = ", ".join(ensemble.missing)
        return Stage("head", Result.FAILED, f"missing for {names}", "Install it again.")
    heads = ", ".join(head.name for head in ensemble.heads.values())
    if not is_calibrated(ensemble):
        return Stage("head", Result.OK, f"{heads}, not calibrated: verdicts are inconclusive")
    return Stage("head", Result.OK, f"{heads}, calibrated")


def _check_models(registry: Registry, detector: Detector | None) -> Iterator[Stage]:
    """Yield a stage for the model that finds faces and for each model of the detector."""
    from cinemill.inference.faces.detector import CARD
    from cinemill.inference.models.catalog import get_card

    cards = [get_card(CARD), *(detector.models if detector else ())]
    for card in cards:
        yield _check_model(registry, card, runs=card.name != CARD)


def _check_model(registry: Registry, card: ModelCard, *, runs: bool) -> Stage:
    """Verify a model's files and, if it returns features, run it on pictures."""
    from cinemill.inference.models.cards import find_model

    folder = registry.options.models_dir
    name = f"model {card.name}"
    try:
        find_model(card, folder)
    except CinemillError as error:
        return _describe_missing(name, card, error)
    try:
        detail = _run_model(card, folder) if runs else _search_faces(folder)
    except CinemillError as error:
        return Stage(name, Result.FAILED, error.message, error.hint)
    return Stage(name, Result.OK, f"here; {detail}")


def _describe_missing(name: str, card: ModelCard, error: CinemillError) -> Stage:
    """Return the stage of a model that is not here: a job may fetch it, unless that is off."""
    is_missing = error.code == "model_missing"
    if is_missing and connect.load_settings().fetch_models and not card.is_optional:
        detail = "missing; the first analysis downloads it"
        return Stage(name, Result.SKIPPED, detail, error.hint)
    return Stage(name, Result.FAILED, error.message, error.hint)


def _search_faces(folder: Path) -> str:
    """Search a grey picture. Raises CinemillError; WorkFailed where it shows a face."""
    import numpy as np

    from cinemill.errors import WorkFailed
    from cinemill.inference.faces.detector import open_face_detector

    grey = np.full((180, 320, 3), 128, np.uint8)
    (faces,) = open_face_detector(folder).detect([grey])
    if faces:
        raise WorkFailed("It finds a face in a grey picture.", code="faces_invalid")
    return "finds no face in a grey picture"


def _run_model(card: ModelCard, folder: Path) -> str:
    """Run a model on two pictures. Raises CinemillError; WorkFailed for useless features."""
    import numpy as np

    from cinemill.errors import WorkFailed
    from cinemill.inference.sessions.protocol import require_image
    from cinemill.inference.sessions.session_cache import process_sessions
    from cinemill.inference.vision.features import extract_features

    image = require_image(card)
    noise = np.random.default_rng(0).integers(0, 256, (2, image.height, image.width, 3), np.uint8)
    session = process_sessions().open(card, folder)
    features = extract_features(session, noise)
    if any(np.array_equal(rows[0], rows[1]) for rows in features.values()):
        raise WorkFailed("It returns the same for different pictures.", code="features_invalid")
    sizes = ", ".join(f"{level} {rows.shape[1]}" for level, rows in features.items())
    return f"returns features on {session.device} ({sizes})"


def _make_video(settings: Settings, folder: Path) -> Path:
    from cinemill.cli.commands.selftest import make_test_video

    return make_test_video(settings, folder)


def _examine_twice(settings: Settings, video: Path, *, quiet: bool) -> tuple[Detection, Detection]:
    from cinemill.cli.temporary_server import run_with_server

    def work(client: Client) -> tuple[Detection, Detection]:
        outcomes = _examine(client, video), _examine(client, video)
        for outcome in outcomes:
            if outcome.job_id:
                client.cleanup(outcome.job_id)
        return outcomes

    return run_with_server(
        settings,
        work,
        on_start=lambda: None if quiet else print_message("Starting a temporary server …"),
    )


def _examine(client: Client, video: Path) -> Detection:
    from cinemill.cli.commands.detect.inputs import Inputs
    from cinemill.cli.commands.detect.run import KIND, examine
    from cinemill.cli.progress import Display
    from cinemill.cli.uploads import UploadBatch

    batch = UploadBatch(priority=10, kind=KIND, params={"fast": True})
    return examine(client, Inputs([NAME], {NAME: video}), batch, Display())[NAME]


def judge(
    first: Detection, second: Detection, *, has_detector: bool, has_face: bool
) -> Iterator[Stage]:
    """Yield the stages that two analyses of the same video show.

    ``has_face`` is whether the video is one of a person, and not the test pattern.
    """
    for outcome in (first, second):
        if outcome.error is not None:
            yield Stage("analysis", Result.FAILED, outcome.error.message, outcome.error.hint)
            return
    if not has_detector:
        yield from _judge_without_detector(first)
        return
    yield _judge_decoding(first)
    yield _judge_faces(first, has_face=has_face)
    yield _judge_verdict(first, has_face=has_face)
    is_cached = bool(second.result.get("cache_hit")) and _same(first, second)
    took = float(second.result.get("processing_seconds") or 0.0)
    detail = f"the same again from the cache, in {took * 1000:.0f} ms"
    yield Stage("cache", _check(is_cached), detail if is_cached else "the second run was no hit")


def _judge_without_detector(outcome: Detection) -> Iterator[Stage]:
    is_honest = outcome.verdict == "no_model" and outcome.score is None
    detail = "no model, no score" if is_honest else f"{outcome.verdict} without a detector"
    yield Stage("verdict", _check(is_honest), detail)
    for name in ("decoding", "faces", "cache"):
        yield Stage(name, Result.SKIPPED, "needs a head")


def _judge_decoding(outcome: Detection) -> Stage:
    frames = int(outcome.result.get("frame_count") or 0)
    if outcome.result.get("cache_hit"):
        return Stage("decoding", Result.SKIPPED, f"{frames} frames were examined before")
    return Stage("decoding", _check(frames > 0), f"{frames} frames examined")


def _judge_faces(outcome: Detection, *, has_face: bool) -> Stage:
    count = len(outcome.list_faces())
    if has_face:
        return Stage("faces", _check(count > 0), f"{count} tracks with scores")
    is_right = count == 0
    detail = "none in the test pattern, as it should be" if is_right else f"{count} in a pattern"
    hint = "" if not is_right else "Name a video of a person to test this with a face."
    return Stage("faces", _check(is_right), detail, hint)


def _judge_verdict(outcome: Detection, *, has_face: bool) -> Stage:
    """Without a face the verdict is known; with one, each that says something is right."""
    words = outcome.verdict.replace("_", " ")
    is_known = outcome.verdict not in ("", "failed", "no_model")
    is_right = is_known if has_face else outcome.verdict == "no_face"
    return Stage("verdict", _check(is_right), words)


def _same(first: Detection, second: Detection) -> bool:
    names = ("verdict", "score", "reasons", "faces", "regions", "frame_count")
    return all(first.result.get(name) == second.result.get(name) for name in names)


def _check(is_right: bool) -> Result:
    return Result.OK if is_right else Result.FAILED
