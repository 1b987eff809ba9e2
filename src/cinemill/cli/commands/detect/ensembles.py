"""``cinemill detect ensemble``: which heads analyses use, and with which weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinemill.cli import options
from cinemill.cli.commands.detect.completion import complete_heads
from cinemill.cli.console import console, make_table, print_json, print_message
from cinemill.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cinemill.capabilities.detection.ensemble.fusion import Ensemble

app = typer.Typer(
    help="Show and choose the heads that analyses use, with their weights.",
    no_args_is_help=True,
)


@app.command("show")
def show(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Name of an ensemble; analyses use 'default'."),
    ] = "default",
    json: options.Json = False,
) -> None:
    """Show the heads of an ensemble, their weights, and what its error rates rest on."""
    from cinemill.capabilities.detection.detector import load_detector
    from cinemill.cli.commands.detect.heads import NO_HEADS
    from cinemill.cli.commands.detect.registry import open_registry

    detector = load_detector(open_registry().options, name)
    if detector is None and name != "default":
        raise NotFound(
            f"There is no ensemble {name}.",
            code="ensemble_missing",
            hint="'cinemill detect heads list' shows the ensembles that use each head.",
        )
    if json:
        print_json(None if detector is None else _describe(detector.ensemble))
    elif detector is None:
        print_message(NO_HEADS)
    else:
        _print_ensemble(detector.ensemble)
        if not detector.can_score:
            print_message(NO_HEADS)


@app.command("set")
def set_ensemble(
    heads: Annotated[
        list[str],
        typer.Argument(
            metavar="HEAD[=WEIGHT]",
            autocompletion=complete_heads,
            help="Heads of different models, with their weights, such as my-clip=0.4. "
            "Without weights ResNet50 counts 0.6 and CLIP 0.4, and others the same.",
        ),
    ],
    json: options.Json = False,
) -> None:
    """Let analyses use these heads. Weights are scaled so that they add up to 1.

    A calibration holds only for the heads and weights that it was made with. With others, every
    verdict is inconclusive until they are calibrated together.
    """
    from cinemill.cli.commands.detect.registry import open_registry

    ensemble = open_registry().set_ensemble(_read_weights(heads))
    if json:
        print_json(_describe(ensemble))
    else:
        _print_ensemble(ensemble)


def _read_weights(given: Sequence[str]) -> dict[str, float | None]:
    """Return the weight that is given to each head, None where none is."""
    weights: dict[str, float | None] = {}
    for text in given:
        name, _, number = text.partition("=")
        try:
            weight = float(number) if "=" in text else None
        except ValueError:
            raise typer.BadParameter(
                f"{number!r} in {text!r} is not a number", param_hint="HEAD[=WEIGHT]"
            ) from None
        if name in weights:
            raise typer.BadParameter(f"{name!r} is named twice", param_hint="HEAD[=WEIGHT]")
        weights[name] = weight
    return weights


def _describe(ensemble: Ensemble) -> dict[str, Any]:
    from cinemill.cli.commands.detect.heads import describe_calibration
    from cinemill.cli.commands.detect.registry import is_calibrated

    valid = ensemble.calibration if is_calibrated(ensemble) else None
    return {
        "members": [
            {
                "name": one.name,
                "weight": one.weight,
                "head": one.head.name if one.head else None,
                "digest": one.head.stored_digest if one.head else None,
            }
            for one in ensemble.members
        ],
        "missing": list(ensemble.missing),
        "weights_from": ensemble.weight_source.value,
        "subject": ensemble.subject,
        "calibration": describe_calibration(valid),
    }


def _print_ensemble(ensemble: Ensemble) -> None:
    from cinemill.cli.commands.detect.heads import write_calibration
    from cinemill.cli.commands.detect.registry import is_calibrated

    table = make_table("!Model", "!Head", ">Weight")
    for one in ensemble.members:
        table.add_row(one.name, one.head.name if one.head else "missing", f"{one.weight:.3f}")
    screen = console()
    screen.print(table)
    screen.print(f"Weights from: {ensemble.weight_source.value}.")
    valid = ensemble.calibration if is_calibrated(ensemble) else None
    screen.print(f"Calibrated: {write_calibration(valid)}.")
