"""CINEMILL_HOME: one folder that holds everything and belongs to one supervisor at a time."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cinemill.core.documents import JsonObject
from cinemill.errors import DependencyUnavailable, HomeLocked
from cinemill.storage.secrets import read_or_make_secret, write_private

FOLDERS = ("run", "log", "postgres", "valkey", "objects", "work")


@dataclass(frozen=True)
class Home:
    """The folder and the paths inside it. ``objects`` holds files, ``work`` temporary ones."""

    root: Path

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def objects(self) -> Path:
        return self.root / "objects"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def token_file(self) -> Path:
        return self.root / "token"

    @property
    def state_file(self) -> Path:
        return self.run / "state.json"

    @property
    def lock_file(self) -> Path:
        return self.run / "lock"


def open_home(root: Path) -> Home:
    """Create the folder and its subfolders where they are missing, accessible to their owner only.

    Raises DependencyUnavailable if the folder cannot be created or written.
    """
    # Resolved: leftover servers are found by their working directory, which is no symbolic link.
    home = Home(root.expanduser().resolve())
    try:
        for folder in (home.root, *(home.root / name for name in FOLDERS)):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(PermissionError):  # a volume that is another user's, and lets us write
            home.root.chmod(0o700)
        _close_folders(home.root)
        read_or_make_secret(home.token_file)
    except OSError as problem:
        raise DependencyUnavailable(
            f"The folder {home.root} cannot be used: {problem.strerror}.",
            hint="Make it writable, or choose another folder with CINEMILL_HOME.",
        ) from problem
    return home


def _close_folders(root: Path) -> None:
    """Close the home's own folders to other users: the home itself may have to be traversable."""
    for folder in root.iterdir():
        details = folder.lstat()
        is_own = stat.S_ISDIR(details.st_mode) and details.st_uid == os.geteuid()
        if is_own and details.st_mode & 0o077:
            folder.chmod(stat.S_IMODE(details.st_mode) & 0o700)


@contextmanager
def lock_home(home: Home) -> Iterator[None]:
    """Lock the folder against a second supervisor. Raises HomeLocked, which names the owner.

    The kernel releases the lock when this process dies, however it dies; the file stays.
    """
    descriptor = os.open(home.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _locked(home, os.pread(descriptor, 32, 0)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _locked(home: Home, owner: bytes) -> HomeLocked:
    pid = owner.decode("ascii", "replace").strip() or "unknown"
    return HomeLocked(f"Cinemill is already running in {home.root} (process {pid}).")


def write_state(home: Home, state: JsonObject) -> None:
    """Publish the addresses of the running instance to other commands on this home."""
    write_private(home.state_file, json.dumps(state, indent=2) + "\n")


def remove_state(home: Home) -> None:
    home.state_file.unlink(missing_ok=True)
