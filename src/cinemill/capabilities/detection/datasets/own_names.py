"""Who is in a user's own fakes, as far as the names of files and folders show it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from cinemill.capabilities.detection.datasets.records import VideoRecord

_Words = tuple[str, ...]


@dataclass(slots=True)
class KnownNames:
    """The people and footage of real videos, by the words of their names."""

    people: dict[_Words, str] = field(default_factory=dict)
    """Identities by the name of a person's folder, or of a video that lies in none."""
    footage: dict[_Words, list[VideoRecord]] = field(default_factory=dict)
    """Real videos by the name of their file."""

    @classmethod
    def read(cls, reals: Sequence[VideoRecord]) -> KnownNames:
        known = cls()
        for record in reals:
            known.people[_split(record.key.name.split("/")[0])] = record.identity
            known.footage.setdefault(_split(record.key.name.split("/")[-1]), []).append(record)
        return known

    def find_in_stem(self, stem: str) -> Iterator[str | VideoRecord]:
        """Yield people and footage whose names are whole words of a file's name, in their order.

        The longest name counts: ``anna_2_swap`` is about ``anna_2`` where that is a video.
        """
        words = _split(stem)
        longest = max(map(len, (*self.people, *self.footage)), default=0)
        start = 0
        while start < len(words):
            for end in range(min(len(words), start + longest), start, -1):
                found = self._find(words[start:end])
                if found is not None:
                    yield found
                    start = end
                    break
            else:
                start += 1

    def _find(self, words: _Words) -> str | VideoRecord | None:
        videos = self.footage.get(words, [])
        if len(videos) == 1:
            return videos[0]
        return self.people.get(words)


def link_fakes(reals: Sequence[VideoRecord], fakes: Sequence[VideoRecord]) -> list[VideoRecord]:
    """Return the fakes with the people and footage of the real videos that they are named after.

    A fake is of the real person who has a folder of the same name in both trees; else of the one
    whose name, or whose video's name, its own name contains as whole words, as ``anna_swap`` does
    and, of two, ``000_003``: footage of the first with the face of the second.
    """
    known = KnownNames.read(reals)
    return [_link(record, known) for record in fakes]


def count_unlinked(reals: Sequence[VideoRecord], fakes: Sequence[VideoRecord]) -> int:
    """Return how many fakes show people of whom the real videos are not known."""
    people = {record.identity for record in reals}
    return sum(not record.identities & people for record in fakes)


def _link(record: VideoRecord, known: KnownNames) -> VideoRecord:
    *folders, stem = record.key.name.split("/")
    words = map(_split, reversed(folders))
    in_folders = [known.people[one] for one in words if one in known.people]
    has_own_folder = len(folders) > 1
    found = list(known.find_in_stem(stem))
    in_stem = [one if isinstance(one, str) else one.identity for one in found]
    people = [*in_folders, *([record.identity] if has_own_folder else ()), *in_stem]
    person = people[0] if people else record.identity
    sources = [one.source for one in found if not isinstance(one, str) and one.identity == person]
    return replace(
        record,
        identity=person,
        other_identities=frozenset(in_stem) - {person},
        source=sources[0] if sources else record.source,
    )


def _split(name: str) -> _Words:
    return tuple(word for word in re.split(r"[\W_]+", name.casefold()) if word)
