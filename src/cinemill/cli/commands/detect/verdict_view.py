"""Verdicts for people: what was found, why, how often that is wrong, when each face was seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cinemill.cli.commands.detect.outcomes import FAILED, Detection
from cinemill.cli.console import (
    console,
    format_duration,
    make_table,
    print_error,
    print_message,
    shorten_to_fit,
)
from cinemill.cli.ids import shorten

if TYPE_CHECKING:
    from rich.text import Text

    from cinemill.client.models import FrameScoreDocument

LABELS = {
    "likely_manipulated": ("likely manipulated", "red"),
    "no_manipulation_found": ("no manipulation found", "green"),
    "inconclusive": ("inconclusive", "yellow"),
    "no_face": ("no face", "yellow"),
    "no_model": ("no model", "yellow"),
    FAILED: ("failed", "red"),
}
"""Words and colour of each verdict."""
TIME_LINE_COLUMNS = 32
STEPS = "▁▂▃▄▅▆▇█"
"""Scores from 0 to 1."""
SEEN, UNSEEN = "·", " "
"""A face that was seen and has no score; no face in the frames of this time."""
GET_A_HEAD = (
    "Get or train a head, the trained part of a detector: 'cinemill detect heads add FOLDER' "
    "installs one, 'cinemill detect train --name NAME --real FOLDER' trains one on your "
    "videos, and 'cinemill detect heads list' shows what is installed."
)


def label_verdict(verdict: str) -> Text:
    """Return a verdict in words and in its colour."""
    from rich.text import Text

    words, color = LABELS.get(verdict, (verdict.replace("_", " "), ""))
    return Text(words, style=color)


def show_verdict(outcome: Detection, frames: Sequence[FrameScoreDocument]) -> None:
    """Print one video's verdict with its reasons, error rates, faces and times."""
    if outcome.error is not None:
        print_error(outcome.error, about=outcome.name)
        return
    from rich.text import Text

    screen = console()
    heading = Text(f"{outcome.name}: ", style="bold")
    meaning, *sentences = outcome.list_sentences() or [""]
    screen.print(heading + label_verdict(outcome.verdict) + Text(f". {meaning}"))
    for sentence in sentences:
        screen.print(f"· {sentence}")
    if outcome.score is not None:
        screen.print(f"· {_describe_score(outcome)}")
    _show_faces(outcome, frames)
    _show_regions(outcome)
    screen.print(f"\n{_describe_work(outcome)}", style="dim")
    if outcome.verdict == "no_model":
        print_message(f"→ {GET_A_HEAD}")


def _describe_score(outcome: Detection) -> str:
    confidence = outcome.result.get("confidence")
    return (
        f"Score {outcome.score:.2f}: the calibrated probability of a manipulation, if as many "
        "videos are manipulated as are not."
        + (f" Confidence {confidence:.2f}." if isinstance(confidence, int | float) else "")
    )


def _describe_work(outcome: Detection) -> str:
    result = outcome.result
    frames = int(result.get("frame_count") or 0)
    took = format_duration(result.get("processing_seconds"))
    cached = ", from the cache" if result.get("cache_hit") else ""
    examined = f"{frames} frames examined" if frames else "No frame examined"
    return f"{examined} in {took}{cached}; analysis {shorten(outcome.job_id)}."


def _show_faces(outcome: Detection, frames: Sequence[FrameScoreDocument]) -> None:
    faces = outcome.list_faces()
    if not faces:
        return
    table = make_table("!>Face", "!Seen", "!Time line", "!>Score", "!Verdict")
    end_ms = max(frame["time_ms"] for frame in frames) if frames else 0
    for face in faces:
        number = int(face["number"])
        own = [frame for frame in frames if frame["face"] == number]
        table.add_row(
            str(number),
            f"{format_time(face['start_ms'])}–{format_time(face['end_ms'])}",
            draw_time_line(own, end_ms),
            format_score(face.get("score")),
            label_verdict(str(face["band"])),
        )
    screen = console()
    screen.print()
    screen.print(table)
    if end_ms:
        first, last = STEPS[0], STEPS[-1]
        legend = f"0:00.0 to {format_time(end_ms)}; {first} low to {last} high score, {SEEN} none"
        screen.print(legend, style="dim")


def draw_time_line(frames: Sequence[FrameScoreDocument], end_ms: int) -> str:
    """Return the highest score of each part of the video as a row of bars.

    ``frames`` are those of one face; the last part ends with ``end_ms``, inclusive.
    """
    cells = [UNSEEN] * TIME_LINE_COLUMNS
    highest: dict[int, float] = {}
    for frame in frames:
        at = min(TIME_LINE_COLUMNS - 1, frame["time_ms"] * TIME_LINE_COLUMNS // max(1, end_ms))
        score = frame["score"]
        if score is not None:
            highest[at] = max(score, highest.get(at, 0.0))
        elif cells[at] == UNSEEN:
            cells[at] = SEEN
    for at, score in highest.items():
        cells[at] = STEPS[min(len(STEPS) - 1, int(score * len(STEPS)))]
    return "".join(cells).rstrip()


def _show_regions(outcome: Detection) -> None:
    if not outcome.list_regions():
        return
    screen = console()
    screen.print("\nLooks manipulated:")
    for line in _describe_regions(outcome):
        screen.print(f"· {line}")


def _describe_regions(outcome: Detection) -> Iterator[str]:
    for one in outcome.list_regions():
        width, height = round(one["width"]), round(one["height"])
        yield (
            f"face {one['track']} from {format_time(one['start_ms'])} to "
            f"{format_time(one['end_ms'])}, score {one['score']:.2f}, in {width}×{height} pixels "
            f"at {round(one['left'])}, {round(one['top'])}"
        )


def show_table(outcomes: Sequence[Detection]) -> None:
    """Print a line for each video, then what the verdicts mean and the errors."""
    table = make_table("Video", "!Verdict", "!>Score", "!>Faces", "Why", "!Analysis")
    for outcome in outcomes:
        reasons = [str(one).replace("_", " ") for one in outcome.result.get("reasons") or ()]
        why = outcome.error.code if outcome.error else ", ".join(reasons)
        table.add_row(
            shorten_to_fit(outcome.name),
            label_verdict(outcome.verdict or outcome.status),
            format_score(outcome.score),
            str(len(outcome.list_faces())) if not outcome.error else "",
            why,
            shorten(outcome.job_id),
        )
    screen = console()
    screen.print(table)
    screen.print()
    for verdict, sentences in _collect_sentences(outcomes).items():
        screen.print(label_verdict(verdict))
        for sentence in sentences:
            screen.print(f"· {sentence}")
    for outcome in outcomes:
        if outcome.error is not None:
            print_error(outcome.error, about=outcome.name)
    if any(outcome.verdict == "no_model" for outcome in outcomes):
        print_message(f"→ {GET_A_HEAD}")


def _collect_sentences(outcomes: Sequence[Detection]) -> dict[str, list[str]]:
    """Return what each verdict means, with its error rate: sentences that all videos share."""
    found: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.error is None:
            own = outcome.list_sentences()
            shared = found.setdefault(outcome.verdict, list(own))
            found[outcome.verdict] = [one for one in shared if one in own]
    return found


def format_score(score: object) -> str:
    """Return a score with two digits, and a dash where the calibration says nothing."""
    return f"{score:.2f}" if isinstance(score, int | float) else "–"


def format_time(time_ms: int) -> str:
    """Return a time in the video as ``1:02.5``, and ``1:00:02.5`` from an hour on."""
    tenths = time_ms // 100
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 10:02}.{rest % 10}"
    return f"{hours}:{minutes:02}:{seconds}" if hours else f"{minutes}:{seconds}"
