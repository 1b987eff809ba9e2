"""``cinemill dead``: steps that wait for a person."""

from __future__ import annotations

from typing import Annotated

import typer

from cinemill.cli import doors, options
from cinemill.cli.screen import console, make_table, print_json, say

app = typer.Typer(help="Steps that are out of tries or were rejected.", no_args_is_help=True)


@app.command("list")
def list_dead(json: options.Json = False) -> None:
    """List dead steps with the reason and what to do."""
    with doors.open_client() as mill:
        found = mill.dead()
    if json:
        print_json(found)
        return
    table = make_table("Step", "Job", "Name", ">Tries", ">Crashes", "Code", "Reason", "Way on")
    for step in found:
        failure = step.get("failure") or {}
        table.add_row(
            step.get("step_id", ""),
            step.get("job_id", ""),
            step.get("step_name", ""),
            str(step.get("attempts", "")),
            str(step.get("crashes", "")),
            failure.get("code", ""),
            failure.get("message", ""),
            failure.get("way_on", ""),
        )
    console().print(table)


@app.command()
def redrive(
    step: Annotated[list[str], typer.Argument(metavar="STEP", help="Ids of dead steps.")],
    json: options.Json = False,
) -> None:
    """Give dead steps their tries back."""
    with doors.open_client() as mill:
        jobs = [mill.redrive(step_id) for step_id in step]
    if json:
        print_json(jobs)
        return
    for job in jobs:
        say(f"Job {job.get('id', '')} is queued again.")
