"""What commands that train or measure print and write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cinemill.cli.console import console, make_table, print_json, print_line, print_message

if TYPE_CHECKING:
    from cinemill.capabilities.detection.evaluation.report import EvaluationReport
    from cinemill.capabilities.detection.runs.calibrate import CalibrationOutcome
    from cinemill.capabilities.detection.runs.train import TrainingOutcome


def print_training(
    name: str, outcome: TrainingOutcome, notes: Sequence[str], *, json: bool
) -> None:
    from cinemill.capabilities.detection.runs.statements import describe_promise

    heads = {
        member: {
            "head": head.name,
            "grade": head.grade.value,
            "digest": head.digest,
            "metrics": head.training.metrics,
        }
        for member, head in outcome.ensemble.heads.items()
    }
    if json:
        print_json(
            {
                "name": name,
                "identities": outcome.identities,
                "videos": outcome.videos,
                "pairs": outcome.pairs,
                "skipped": outcome.skipped,
                "look_alikes": outcome.look_alikes,
                "notes": notes,
                "heads": heads,
                "in_use": outcome.is_default,
            }
        )
        return
    table = make_table("!Head", "!Model", "!Grade", ">AUC", "95%", ">Control")
    for member, head in outcome.ensemble.heads.items():
        metrics = head.training.metrics
        table.add_row(
            head.name,
            member,
            head.grade.value,
            f"{metrics['video_auc']:.3f}",
            _describe_interval(metrics),
            f"{metrics['control_whole_picture']:.3f}",
        )
    console().print(table)
    print_line(
        f"Trained on {outcome.videos} videos of {outcome.identities} people, {outcome.pairs} "
        "blends. AUC: on blends of people who were left out. Control: 0.5 is right."
    )
    _print_skipped(outcome.skipped)
    if outcome.look_alikes == 1:
        print_line("1 name is not counted as a person, since its videos look like another's.")
    elif outcome.look_alikes:
        print_line(
            f"{outcome.look_alikes} names are not counted as people, since their videos look like "
            "those of others."
        )
    _print_lines(notes)
    print_line(describe_promise(outcome.ensemble.calibration))
    _print_use(name, is_used=outcome.is_default)
    print_message(f"→ Calibrate it on other people: cinemill detect calibrate {name} --real DIR …")


def _describe_interval(metrics: Mapping[str, float]) -> str:
    if "video_auc_low" not in metrics:
        return "too few people"
    return f"{metrics['video_auc_low']:.3f}–{metrics['video_auc_high']:.3f}"


def print_calibration(name: str, outcome: CalibrationOutcome, *, json: bool) -> None:
    from cinemill.capabilities.detection.evaluation.class_weights import PRIOR_FAKE
    from cinemill.capabilities.detection.runs.statements import describe_promise

    calibration = outcome.calibration
    if json:
        print_json(
            {
                "name": name,
                "data": calibration.data,
                "can_decide": calibration.can_decide,
                "unmanipulated_groups": calibration.unmanipulated.groups,
                "manipulated_groups": calibration.manipulated.groups,
                "margin": calibration.margin,
                "prior_manipulated": PRIOR_FAKE,
                "unscored": dict(outcome.unscored),
                "notes": outcome.notes,
                "in_use": outcome.is_default,
            }
        )
        return
    print_line(f"Calibrated with {calibration.data}.")
    print_line(describe_promise(calibration))
    print_line(
        "Probabilities hold where as many videos are manipulated as are not: both kinds weigh the "
        "same, however many of each there were."
    )
    if calibration.margin:
        print_line("It is a starter head: a score must be far beyond the thresholds for a verdict.")
    _print_skipped(outcome.unscored)
    _print_lines(outcome.notes)
    _print_use(name, is_used=outcome.is_default)


def _print_skipped(skipped: Mapping[str, int]) -> None:
    if skipped:
        reasons = ", ".join(f"{count} × {reason}" for reason, count in sorted(skipped.items()))
        print_line(f"Videos that were not used: {reasons}.")


def _print_use(name: str, *, is_used: bool) -> None:
    if is_used:
        print_line("Analyses use it from now on.")
    else:
        print_line(f"Analyses use another detector. To change that, add --use for {name}.")


def write_report(name: str, report: EvaluationReport, out: Path, *, json: bool) -> None:
    import json as json_format

    from cinemill.capabilities.detection.evaluation.report import list_caveats
    from cinemill.capabilities.detection.evaluation.report_page import write_page

    out.mkdir(parents=True, exist_ok=True)
    document = {**report.to_json(), "caveats": list_caveats(report)}
    data_path, page_path = out / f"{name}-evaluation.json", out / f"{name}-evaluation.html"
    text = json_format.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    data_path.write_text(text + "\n", "utf-8")
    page_path.write_text(write_page(report), "utf-8")
    if json:
        print_json(document)
        return
    videos = report.measurement.videos
    table = make_table("", ">Videos", "95%")
    for figure in ("auc", "average_precision", "equal_error_rate"):
        interval = videos.intervals[figure] if videos.intervals else None
        shown = f"{interval.lower:.3f}–{interval.upper:.3f}" if interval else "too few people"
        table.add_row(figure.replace("_", " "), f"{getattr(videos.figures, figure):.3f}", shown)
    console().print(table)
    reliability = report.measurement.reliability
    print_line(
        f"Expected calibration error: {reliability.expected_error:.3f}, with reals and fakes of "
        "equal weight."
    )
    _print_lines([*report.notes, *list_caveats(report)])
    print_line(f"The report is in {page_path} and {data_path}.")


def _print_lines(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        print_line(f"- {sentence}")
