"""The names under which data sets are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from cinemill.capabilities.detection.datasets.celebdf import read_celebdf
from cinemill.capabilities.detection.datasets.deepfake_eval import read_deepfake_eval
from cinemill.capabilities.detection.datasets.df40 import read_df40
from cinemill.capabilities.detection.datasets.dfdc import read_dfdc, read_dfdc_preview
from cinemill.capabilities.detection.datasets.faceforensics import read_ffpp
from cinemill.capabilities.detection.datasets.own_folder import read_folder
from cinemill.capabilities.detection.datasets.records import DatasetInvalid, DatasetListing

READERS: Mapping[str, Callable[[Path], DatasetListing]] = {
    "ffpp": read_ffpp,
    "celebdf": read_celebdf,
    "dfdc": read_dfdc,
    "dfdc-preview": read_dfdc_preview,
    "df40": read_df40,
    "deepfake-eval": read_deepfake_eval,
    "folder": read_folder,
}

LICENCES: Mapping[str, str] = {
    "ffpp": "FaceForensics terms of use: non-commercial research",
    "celebdf": "Celeb-DF terms of use: non-commercial research",
    "dfdc": "DFDC data set licence, as accepted at download",
    "dfdc-preview": "DFDC preview data set licence, as accepted at download",
    "df40": "CC BY-NC 4.0",
    "deepfake-eval": "CC BY-SA 4.0, with the conditions accepted at download",
    "folder": "",
}
"""What a trained head's manifest says of its data unless the user says otherwise; for ``folder``
the user must say it."""
LICENCE_SOURCE = "as its authors state; check before use"
"""Who states these: they are summaries, and the terms that were accepted at download decide."""


def read_dataset(name: str, root: Path) -> DatasetListing:
    """List a data set's videos. Raises DatasetInvalid for an unknown name or another layout."""
    if name not in READERS:
        raise DatasetInvalid(f"{name!r} is no known data set; known are {', '.join(READERS)}.")
    listing = READERS[name](root)
    for key, count in Counter(one.key for one in listing.records).items():
        if count > 1:
            raise DatasetInvalid(f"{count} files are the video {key.method}/{key.name}.")
    return listing
