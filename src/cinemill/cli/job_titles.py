"""Titles of jobs: the names of their videos."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cinemill.client import Client, JobDocument

MAX_SINGLE_REQUESTS = 3
"""Assets requested one by one; more are requested as a list first."""
REMOVED = "(removed)"


def find_titles(client: Client, jobs: Iterable[JobDocument]) -> dict[str, str]:
    """Return the name of each job's video by job id; empty for jobs without a video.

    That is the name that it was submitted with, else that of the stored video.
    """
    jobs = list(jobs)
    given = {str(job["id"]): str(job["filename"]) for job in jobs if job.get("filename")}
    unnamed = [job for job in jobs if str(job["id"]) not in given]
    names = _fetch_names(client, {str(job["asset_id"]) for job in unnamed if job.get("asset_id")})
    found = {str(job["id"]): names.get(str(job.get("asset_id")), _path_of(job)) for job in unnamed}
    return given | found


def _fetch_names(client: Client, asset_ids: set[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    if len(asset_ids) > MAX_SINGLE_REQUESTS:
        assets = client.assets(limit=2 * len(asset_ids))
        names = {str(asset["id"]): str(asset.get("filename", "")) for asset in assets}
    for asset_id in asset_ids - names.keys():
        names[asset_id] = _fetch_name(client, asset_id)
    return names


def _fetch_name(client: Client, asset_id: str) -> str:
    from cinemill.client import ClientError

    try:
        return str(client.asset(asset_id).get("filename", ""))
    except ClientError as error:
        if error.status != 404:
            raise
        return REMOVED


def _path_of(job: JobDocument) -> str:
    """Return the file name in the parameters: jobs sent by Celery have no asset at first."""
    path = (job.get("params") or {}).get("path")
    return PurePath(path).name if isinstance(path, str) else ""
