"""Who is in a user's own fakes, as far as the names of files and folders show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from cinemill.capabilities.detection.datasets.name_words import (
    Words,
    find_naming_words,
    find_person_folder,
    keep_naming_words,
    split_words,
)
from cinemill.capabilities.detection.datasets.records import VideoRecord

_PAIR_DIGITS = 3
"""FaceForensics++ numbers its people so: ``000_003`` is footage of one with the face of another."""


@dataclass(slots=True)
class KnownNames:
    """The people and footage of real videos, by the words of their names.

    Only names with a word that may be somebody's are kept (``name_words``).
    """

    people: dict[Words, list[str]] = field(default_factory=dict)
    """Identities by the name of a person's folder, or of a video that lies in none: by all of its
    words, and by those only that may be somebody's name, so that ``obama_01`` is ``obama``."""
    footage: dict[Words, list[VideoRecord]] = field(default_factory=dict)
    """Real videos by the name of their file."""
    numbered: dict[str, VideoRecord] = field(default_factory=dict)
    """Videos that lie in no person's folder and are named by three digits."""
    longest: int = 0
    """Words of the longest of these names."""

    @classmethod
    def read(cls, reals: Sequence[VideoRecord]) -> KnownNames:
        known = cls()
        for record in reals:
            *folders, stem = record.key.name.split("/")
            person = find_person_folder(folders)
            name = person or stem
            if naming := find_naming_words(name):
                known._add_person(naming, record.identity)
                known._add_person(split_words(name), record.identity)
            if find_naming_words(stem):
                words = split_words(stem)
                known.footage.setdefault(words, []).append(record)
                known.longest = max(known.longest, len(words))
            elif person is None and stem.isdecimal() and len(stem) == _PAIR_DIGITS:
                known.numbered[stem] = record
        return known

    def _add_person(self, words: Words, identity: str) -> None:
        self.longest = max(self.longest, len(words))
        identities = self.people.setdefault(words, [])
        if identity not in identities:
            identities.append(identity)

    def find_in_folder(self, name: str) -> list[str]:
        """Return the people whose name a folder has; more than one if several have it."""
        return self.people.get(split_words(name)) or self.people.get(find_naming_words(name), [])

    def find_in_stem(self, stem: str) -> Iterator[str | VideoRecord]:
        """Yield people and footage whose names are whole words of a file's name, in their order.

        The longest name counts: ``anna_2_swap`` is about ``anna_2`` where that is a video, and
        about everyone named ``anna`` where it is not.
        """
        words = split_words(stem)
        if len(words) == 2 and all(word in self.numbered for word in words):
            yield from (self.numbered[word] for word in words)
            return
        naming = keep_naming_words(words)
        start = 0
        while start < len(words):
            found, end = self._find_from(words, naming, start)
            yield from found
            start = end

    def _find_from(
        self, words: Words, naming: Sequence[tuple[int, str]], start: int
    ) -> tuple[Sequence[str | VideoRecord], int]:
        """Return what a name that begins here stands for, and where to go on."""
        for end in range(min(len(words), start + self.longest), start, -1):
            videos = self.footage.get(words[start:end], [])
            found = videos if len(videos) == 1 else self.people.get(words[start:end])
            if found:
                return found, end
        rest = [one for one in naming if one[0] >= start][: self.longest]
        if rest and rest[0][0] == start:
            for count in range(len(rest), 0, -1):
                people = self.people.get(tuple(word for _, word in rest[:count]))
                if people:
                    return people, rest[count - 1][0] + 1
        return (), start + 1


def link_fakes(reals: Sequence[VideoRecord], fakes: Sequence[VideoRecord]) -> list[VideoRecord]:
    """Return the fakes with the people and footage of the real videos that they are named after.

    A fake is of the real person who has a folder of the same name in both trees; else of the one
    whose name, or whose video's name, its own name contains as whole words, as ``anna_swap`` does
    and, of two, ``000_003``: footage of the first with the face of the second. Words that name
    nobody, such as ``clip`` or a number, tie nobody.
    """
    known = KnownNames.read(reals)
    return [_link(record, known) for record in fakes]


def count_unlinked(reals: Sequence[VideoRecord], fakes: Sequence[VideoRecord]) -> int:
    """Return how many fakes show people of whom the real videos are not known."""
    people = {record.identity for record in reals}
    return sum(not record.identities & people for record in fakes)


def _link(record: VideoRecord, known: KnownNames) -> VideoRecord:
    *folders, stem = record.key.name.split("/")
    named = map(known.find_in_folder, reversed(folders))
    in_folders = next((people for people in named if people), [])
    has_own_folder = find_person_folder(folders[1:]) is not None
    found = list(known.find_in_stem(stem))
    in_stem = [one if isinstance(one, str) else one.identity for one in found]
    people = [*in_folders, *([record.identity] if has_own_folder else ()), *in_stem]
    person = people[0] if people else record.identity
    sources = [one.source for one in found if not isinstance(one, str) and one.identity == person]
    return replace(
        record,
        identity=person,
        other_identities=frozenset((*in_folders, *in_stem)) - {person},
        source=sources[0] if sources else record.source,
    )
