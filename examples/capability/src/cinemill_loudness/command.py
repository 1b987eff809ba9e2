"""``cinemill loudness FILE``: upload a video, wait, and print how loud it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cinemill.client import Client, ClientError
from cinemill_loudness import JOB

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def loudness(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The video.")],
) -> None:
    """Print how loud a video is, in LUFS."""
    with Client.from_home() as client:
        measured = measure_file(client, file)
    peak = measured["true_peak_dbtp"]
    typer.echo(f"integrated  {measured['integrated_lufs']:.1f} LUFS")
    typer.echo(f"range       {measured['range_lu']:.1f} LU")
    typer.echo(f"true peak   {'silence' if peak is None else f'{peak:.1f} dBTP'}")


def measure_file(client: Client, file: Path) -> dict[str, Any]:
    """Have a video measured and return the job's result. Raises ClientError."""
    job_id = client.upload(file, kind=JOB)["id"]
    for _ in client.watch(job_id):
        pass
    job = client.job(job_id)
    if (error := job.get("error")) is not None:
        raise ClientError(error["message"], code=error["code"], hint=error["hint"], status=422)
    return dict(job["result"] or {})
