"""``cinemill detect heads``: listing, showing, installing and removing trained heads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer

from cinemill.cli import options
from cinemill.cli.commands.detect.completion import complete_heads
from cinemill.cli.console import (
    color_state,
    console,
    make_table,
    print_json,
    print_line,
    print_message,
)
from cinemill.errors import CinemillError

if TYPE_CHECKING:
    from cinemill.capabilities.detection.ensemble.head import Head
    from cinemill.capabilities.detection.verdict.calibration import Calibration
    from cinemill.cli.commands.detect.registry import Registry

app = typer.Typer(
    help="Manage heads, the trained parts of detectors: one scores the features of one model.",
    no_args_is_help=True,
)
NO_HEADS = (
    "No head is installed, so every verdict is 'no model'. 'cinemill detect heads add FOLDER' "
    "installs one; 'cinemill detect train --name NAME --real FOLDER' trains one."
)

HeadName = Annotated[
    str,
    typer.Argument(
        metavar="HEAD",
        help="Name of a head, as 'cinemill detect heads list' shows.",
        autocompletion=complete_heads,
    ),
]


class HeadRow(TypedDict):
    """A head in a list, also one that cannot be used."""

    name: str
    state: str
    problem: str
    ensembles: list[str]
    grade: str | None
    model: str | None
    digest: str | None
    calibrated_videos: int | None
    metrics: Mapping[str, float]


@app.command("list")
def list_heads(json: options.Json = False) -> None:
    """List the installed heads, whether they can be used, and what they were measured to reach."""
    from cinemill.cli.commands.detect.registry import open_registry

    registry = open_registry()
    rows = [_summarize(registry, name) for name in registry.list_names()]
    if json:
        print_json(rows)
    elif not rows:
        print_message(NO_HEADS)
    else:
        _print_heads(rows)


def _summarize(registry: Registry, name: str) -> HeadRow:
    """Return a head for a list, also one that cannot be used."""
    row: HeadRow = {
        "name": name,
        "state": "here",
        "problem": "",
        "ensembles": registry.list_users(name),
        "grade": None,
        "model": None,
        "digest": None,
        "calibrated_videos": None,
        "metrics": {},
    }
    try:
        head = registry.read_head(name)
        registry.find_member(head)
    except CinemillError as error:
        return {**row, "state": error.code.removeprefix("head_"), "problem": error.message}
    return {
        **row,
        "grade": head.grade.value,
        "model": head.space.model,
        "digest": head.digest,
        "calibrated_videos": _count_videos(head.calibration),
        "metrics": head.training.metrics,
    }


def _print_heads(rows: list[HeadRow]) -> None:
    table = make_table("!Head", "!State", "!Grade", "!Model", "!>AUC", "!>Calibrated", "In use by")
    for row in rows:
        auc = row["metrics"].get("auc")
        videos = row["calibrated_videos"]
        table.add_row(
            row["name"],
            color_state(row["state"]),
            row["grade"] or "",
            row["model"] or "",
            "" if auc is None else f"{auc:.3f}",
            "" if videos is None else f"{videos} videos",
            ", ".join(row["ensembles"]),
        )
    console().print(table)
    for row in rows:
        if row["problem"]:
            print_message(f"{row['name']}: {row['problem']}")


@app.command("show")
def show(name: HeadName, json: options.Json = False) -> None:
    """Show what a head was trained and calibrated on, with licences and measured figures."""
    from cinemill.cli.commands.detect.registry import open_registry

    registry = open_registry()
    head = registry.read_head(name)
    if json:
        print_json(_describe(registry, head))
    else:
        _print_head(registry, head)


def _describe(registry: Registry, head: Head) -> dict[str, Any]:
    return {
        "name": head.name,
        "grade": head.grade.value,
        "digest": head.digest,
        "path": str(registry.heads / head.name),
        "ensembles": registry.list_users(head.name),
        "space": head.space.model_dump(mode="json"),
        "training": head.training.model_dump(mode="json"),
        "calibration": describe_calibration(head.calibration),
    }


def describe_calibration(calibration: Calibration | None) -> dict[str, Any] | None:
    """Return what a calibration rests on, None without one."""
    from dataclasses import asdict

    from cinemill.capabilities.detection.build_result import describe_calibration as describe

    return None if calibration is None else asdict(describe(calibration))


def _count_videos(calibration: Calibration | None) -> int | None:
    if calibration is None:
        return None
    return len(calibration.unmanipulated.scores) + len(calibration.manipulated.scores)


def _print_head(registry: Registry, head: Head) -> None:
    from rich.text import Text

    table = make_table("!", "")
    table.show_header = False
    for label, value in _list_facts(registry, head):
        if value:
            table.add_row(label, Text(value))  # Names and commands may hold brackets.
    console().print(table)


def _list_facts(registry: Registry, head: Head) -> Iterator[tuple[str, str]]:
    training, space = head.training, head.space
    yield "Head", head.name
    yield "Grade", head.grade.value
    yield "Folder", str(registry.heads / head.name)
    yield "In use by", ", ".join(registry.list_users(head.name)) or "no ensemble"
    yield "Model", f"{space.model} ({space.revision[:12]})"
    yield "Levels", ", ".join(f"{level.name} ({level.dimension})" for level in space.levels)
    yield "Trained by", training.method
    yield "Command", training.command
    for one in training.datasets:
        source = f", says {one.licence_source}" if one.licence_source else ""
        count = f"{one.identities} people, {one.videos} videos"
        yield "Data", f"{one.name}: {count} ({one.licence}{source})"
    yield "Measured", ", ".join(f"{name} {value:g}" for name, value in training.metrics.items())
    yield "Calibrated", write_calibration(head.calibration)


def write_calibration(calibration: Calibration | None) -> str:
    """Return in a sentence what error rates are promised, and for which data."""
    if calibration is None:
        return "not calibrated: every verdict is inconclusive"
    return (
        f"for at most {calibration.nominal_false_positive_rate:.3g} false alarms and "
        f"{calibration.nominal_miss_rate:.3g} misses on {calibration.data}: "
        f"{len(calibration.unmanipulated.scores)} unmanipulated and "
        f"{len(calibration.manipulated.scores)} manipulated videos"
    )


@app.command("add")
def add(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Folder with a head's manifest.json and head.safetensors.",
            exists=True,
            file_okay=False,
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name to install it under. Default: its own.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Install a head after checking all of it. The first one is used by analyses at once."""
    from cinemill.cli.commands.detect.registry import open_registry

    registry = open_registry()
    head, is_used = registry.add_head(folder, name)
    if json:
        print_json({**_describe(registry, head), "in_use": is_used})
        return
    print_line(f"{head.name} is in {registry.heads / head.name}.")
    print_use(head, is_used=is_used)


def print_use(head: Head, *, is_used: bool) -> None:
    """Print whether analyses use a head, and what is to be done so that they decide with it."""
    if is_used:
        print_message("Analyses use it from now on.")
    else:
        print_message(f"To use it: 'cinemill detect ensemble set {head.name}', or with others.")
    if head.calibration is None:
        print_message("It is not calibrated, so every verdict is inconclusive until it is.")
        print_message(f"To calibrate it: 'cinemill detect calibrate {head.name}'.")


@app.command("remove")
def remove(
    name: HeadName,
    force: Annotated[
        bool, typer.Option("--force", help="Remove it even if analyses use it.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Delete a head. One that is in use is kept, unless forced."""
    from cinemill.cli.commands.detect.registry import open_registry

    gone = open_registry().remove_head(name, force=force)
    if json:
        print_json({"removed": name, "removed_ensembles": gone})
        return
    print_message(f"The head {name} was removed.")
    for ensemble in gone:
        print_message(f"The ensemble {ensemble} had no other head and was removed too.")
