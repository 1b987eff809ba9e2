"""Which videos a run is about, and what is remembered of those that a head was trained on.

The list of training videos stays on this machine, in a file of its own: it names people, and a head
may be passed on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field

from cinemill.capabilities.detection.datasets.catalog import LICENCES, read_dataset
from cinemill.capabilities.detection.datasets.own_folder import read_folders
from cinemill.capabilities.detection.datasets.records import (
    DatasetInvalid,
    DatasetListing,
    VideoKey,
    VideoRecord,
)
from cinemill.capabilities.detection.ensemble.fusion import Ensemble
from cinemill.capabilities.detection.ensemble.registry_files import (
    check_name,
    dump_manifest,
    parse_manifest,
    read_bounded,
    write_atomically,
)
from cinemill.capabilities.detection.runs.workbench import TRAINING_FOLDER
from cinemill.core.files.strict_model import StrictModel

NOT_STATED = "not stated"
_LARGEST_BYTES = 512 * 2**20
_MOST_HASHES = 8
"""Of the frames of each training video."""


@dataclass(frozen=True, slots=True)
class VideoChoice:
    """What a person named: folders, or a published data set."""

    real: Path | None = None
    fake: Path | None = None
    dataset: str | None = None
    root: Path | None = None


def list_videos(choice: VideoChoice, part: str) -> DatasetListing:
    """Return the videos; of a data set those of this published part, if it has parts.

    ``part`` is ``train``, ``val`` or ``test``. Raises DatasetInvalid.
    """
    if choice.dataset is None and choice.real is None and choice.fake is None:
        raise DatasetInvalid(
            "No videos are named.", hint="Name a folder with --real, or --dataset and --root."
        )
    listings = []
    if choice.dataset is not None:
        listings.append(_read_part(choice.dataset, choice.root, part))
    if choice.real is not None or choice.fake is not None:
        listings.append(read_folders(choice.real, choice.fake))
    return DatasetListing(
        tuple(record for one in listings for record in one.records),
        {reason: count for one in listings for reason, count in one.skipped.items()},
        tuple(note for one in listings for note in one.notes),
    )


def _read_part(name: str, root: Path | None, part: str) -> DatasetListing:
    if root is None:
        raise DatasetInvalid(
            f"The folder of {name} is not named.",
            hint="Add --root with the folder into which the data set was unpacked.",
        )
    listing = read_dataset(name, root)
    if not any(record.split for record in listing.records):
        return listing
    chosen = tuple(record for record in listing.records if record.split == part)
    if not chosen:
        raise DatasetInvalid(f"No video of {name} is in its published part {part!r}.")
    return replace(listing, records=chosen)


def find_licence(dataset: str, given: str) -> str:
    """Return the licence of a data set: what the user says, else what its authors state."""
    return given or LICENCES.get(dataset, "") or NOT_STATED


class KnownVideo(StrictModel):
    """A video that a head was trained on."""

    dataset: str
    method: str
    name: str
    identity: str
    others: tuple[str, ...] = ()
    source: str = ""
    sha256: str
    hashes: tuple[int, ...] = Field(default=(), max_length=_MOST_HASHES)

    @property
    def key(self) -> VideoKey:
        return VideoKey(self.dataset, self.method, self.name)

    def to_record(self) -> VideoRecord:
        return VideoRecord(
            self.key,
            Path(),
            is_fake=False,
            identity=self.identity,
            other_identities=frozenset(self.others),
            source=self.source,
        )


class TrainingList(StrictModel):
    """``training/lists/NAME.json``: the videos of a head, and which head that is."""

    digests: tuple[str, ...]
    videos: tuple[KnownVideo, ...]


def describe_known(record: VideoRecord, sha256: str, hashes: Sequence[int]) -> KnownVideo:
    step = max(1, len(hashes) // _MOST_HASHES)
    return KnownVideo(
        dataset=record.key.dataset,
        method=record.key.method,
        name=record.key.name,
        identity=record.identity,
        others=tuple(sorted(record.other_identities)),
        source=record.source,
        sha256=sha256,
        hashes=tuple(hashes[::step][:_MOST_HASHES]),
    )


def write_training_list(home: Path, name: str, videos: TrainingList) -> None:
    path = _list_path(home, name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(path, dump_manifest(videos))


def read_training_lists(home: Path, ensemble: Ensemble) -> list[KnownVideo] | None:
    """Return the training videos of all heads, or None if those of one are not known here."""
    wanted = {head.stored_digest for head in ensemble.heads.values()}
    found: dict[str, tuple[KnownVideo, ...]] = {}
    for path in sorted(_list_path(home, "any").parent.glob("*.json")):
        try:
            known = parse_manifest(read_bounded(path, _LARGEST_BYTES), TrainingList)
        except (OSError, ValueError):
            continue
        found |= dict.fromkeys(wanted & {*known.digests}, known.videos)
    if {*found} != wanted:
        return None
    videos: Mapping[VideoKey, KnownVideo] = {
        video.key: video for one in found.values() for video in one
    }
    return list(videos.values())


def _list_path(home: Path, name: str) -> Path:
    return home / TRAINING_FOLDER / "lists" / f"{check_name(name)}.json"
