"""A film by its path into the store: checked against the allowed roots, copied, hashed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from uuid import uuid4

from cinemill.errors import InputRejected
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.jobs.workshop import Workshop, require_space
from cinemill.media.probe import sniff_file
from cinemill.storage import assets, jobs
from cinemill.storage.database import Connection
from cinemill.storage.files import READ_BYTES, StoredFile


def intake_source(workshop: Workshop, context: StepContext) -> StepOutcome:
    """Copy the film at the job's ``path`` into the store and make it the job's asset.

    Result: ``asset_id``, ``sha256``. Raises InputRejected, MediaRejected, DiskFull.
    """
    path = resolve_input(str(context.run.job_params["path"]), workshop.input_roots)
    sniff_file(path)
    require_space(workshop, path.stat().st_size)
    stored = _copy(workshop, context, path)
    asset_id = str(uuid4())
    found = assets.find_asset(workshop.database, owner=context.run.owner, sha256=stored.sha256)
    if found is not None:
        asset_id = found.id
    return StepOutcome(
        {"asset_id": asset_id, "sha256": stored.sha256},
        partial(_register, context=context, stored=stored, name=path.name, asset_id=asset_id),
    )


def resolve_input(path: str, roots: tuple[Path, ...]) -> Path:
    """The real file behind ``path``. Raises InputRejected outside ``roots`` or where it is none."""
    if "\x00" in path:
        raise InputRejected("A path cannot contain a NUL character.", code="path_invalid")
    try:
        real = Path(path).resolve()
        is_file = real.is_file()
    except (OSError, RuntimeError):  # a name too long, links that lead in a circle
        real, is_file = Path(path).absolute(), False
    if not any(real.is_relative_to(root.resolve()) for root in roots):
        raise InputRejected(
            f"{path} is outside of the folders that films may come from.",
            code="path_forbidden",
            way_on="Move the film, or add its folder to CINEMILL_INPUT_ROOTS.",
        )
    if not is_file:
        raise InputRejected(
            f"There is no film at {path}.",
            code="source_not_found",
            way_on="Give an absolute path that the workers can read.",
        )
    return real


def _copy(workshop: Workshop, context: StepContext, path: Path) -> StoredFile:
    size_bytes = max(1, path.stat().st_size)
    with path.open("rb") as source, workshop.files.receive() as incoming:
        while block := source.read(READ_BYTES):
            stop = context.should_stop()
            if stop is not None:
                raise stop
            incoming.write(block)
            context.report(incoming.size_bytes / size_bytes, "Fetching the film")
        return incoming.commit()


def _register(
    connection: Connection, *, context: StepContext, stored: StoredFile, name: str, asset_id: str
) -> None:
    asset, _ = assets.register_asset(
        connection,
        owner=context.run.owner,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        filename=name,
        asset_id=asset_id,
    )
    jobs.assign_asset(connection, context.run.job_id, asset.id)
