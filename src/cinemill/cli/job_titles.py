"""What a job is about, in the words of whoever sent it: the film's name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cinemill.client import Client, JobDocument

FEW = 3
"""Films that are asked for one by one; more are asked for as a list first."""
LONGEST_LIST = 500
REMOVED = "(removed)"


def find_titles(mill: Client, jobs: Iterable[JobDocument]) -> dict[str, str]:
    """Job id → the name of its film; empty where it is about none."""
    jobs = list(jobs)
    wanted = {str(job["asset_id"]) for job in jobs if job.get("asset_id")}
    names = _name_films(mill, wanted)
    return {str(job["id"]): names.get(str(job.get("asset_id")), _path_of(job)) for job in jobs}


def _name_films(mill: Client, asset_ids: set[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    if len(asset_ids) > FEW:
        films = mill.assets(limit=min(LONGEST_LIST, 2 * len(asset_ids)))
        names = {str(film["id"]): str(film.get("filename", "")) for film in films}
    for asset_id in asset_ids - names.keys():
        names[asset_id] = _name_film(mill, asset_id)
    return names


def _name_film(mill: Client, asset_id: str) -> str:
    from cinemill.client import ClientError

    try:
        return str(mill.asset(asset_id).get("filename", ""))
    except ClientError as error:
        if error.status != 404:
            raise
        return REMOVED


def _path_of(job: JobDocument) -> str:
    """A job that Celery sent names a path, until its film is registered."""
    path = (job.get("params") or {}).get("path")
    return PurePath(path).name if isinstance(path, str) else ""
