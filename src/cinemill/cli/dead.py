"""``cinemill dead``: steps that wait for a person."""

from __future__ import annotations

from typing import Annotated

import typer

from cinemill.cli import doors, options
from cinemill.cli.exits import worst
from cinemill.cli.ids import find_step_id, for_each, shorten
from cinemill.cli.screen import console, make_table, print_json, say, show_age

app = typer.Typer(help="Steps that are out of tries or were rejected.", no_args_is_help=True)


@app.command("list")
def list_dead(json: options.Json = False) -> None:
    """List dead steps with the reason and what to do."""
    with doors.open_client() as mill:
        found = mill.dead()
    if json:
        print_json(found)
        return
    if not found:
        say("No step is dead.")
        return
    table = make_table("!Step", "!Job", "Name", ">Tries", ">Age", "Reason")
    for step in found:
        failure = step.get("failure") or {}
        reason = f"{failure.get('code', '')}: {failure.get('message', '')}"
        table.add_row(
            shorten(step.get("step_id", "")),
            shorten(step.get("job_id", "")),
            step.get("step_name", ""),
            str(step.get("attempts", "")),
            show_age(step.get("died_at")),
            f"{reason}\n→ {failure['way_on']}" if failure.get("way_on") else reason,
        )
    console().print(table)


@app.command()
def redrive(
    step: Annotated[
        list[str],
        typer.Argument(
            metavar="STEP", help="Ids of dead steps; the first characters are enough, from four."
        ),
    ],
    json: options.Json = False,
) -> None:
    """Give dead steps their tries back."""
    with doors.open_client() as mill:
        jobs, codes = for_each(step, lambda text: mill.redrive(find_step_id(mill, text)), json=json)
    if json:
        print_json(jobs)
    for job in jobs if not json else ():
        say(f"Job {shorten(str(job.get('id', '')))} is queued again.")
    raise typer.Exit(worst(codes))
