"""Questions about scenes: two that have an answer and one that has none, and second questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

from cinemill.capabilities.search.evaluation.plan.catalog import get_family
from cinemill.capabilities.search.evaluation.plan.decks import Decks
from cinemill.capabilities.search.evaluation.plan.records import (
    Ask,
    Miss,
    PlannedVideo,
    QueryClass,
    Question,
    Scene,
)
from cinemill.capabilities.search.evaluation.plan.templates import (
    ABSENT,
    OTHER,
    base_of,
    fill,
    list_slots,
    mention_other,
)


@dataclass(frozen=True, slots=True)
class PlacedScene:
    """A scene, its video, and the next scene of the same family; itself if it is the only one."""

    video: PlannedVideo
    scene: Scene
    other: PlacedScene | None = None


def place_scenes(videos: Sequence[PlannedVideo]) -> list[PlacedScene]:
    """Return the scenes of one split's videos in order, each with another one of its family."""
    by_family: defaultdict[str, list[PlacedScene]] = defaultdict(list)
    for video in videos:
        for scene in video.scenes:
            by_family[scene.family].append(PlacedScene(video, scene))
    paired = {
        (one.video.name, one.scene.number): PlacedScene(one.video, one.scene, after)
        for scenes in by_family.values()
        if len(scenes) > 1
        for one, after in zip(scenes, [*scenes[1:], scenes[0]], strict=True)
    }
    return [
        paired.get((video.name, scene.number), PlacedScene(video, scene))
        for video in videos
        for scene in video.scenes
    ]


def ask_scenes(placed: Sequence[PlacedScene], decks: Decks) -> Iterator[Question]:
    """Yield three questions for each scene; the third resembles them and has no answer.

    The kinds of near misses of a family take turns. Raises IndexError if a deck is empty.
    """
    turns: defaultdict[str, int] = defaultdict(int)
    for one in placed:
        family = get_family(one.scene.family)
        for number, ask in enumerate(family.asks, start=1):
            yield _ask(one, ask, str(number))
        misses = [
            miss
            for miss in family.misses
            if one.other is not None or not mention_other([miss.text, miss.unsaid])
        ]
        yield _ask_near_miss(one, misses[turns[family.name] % len(misses)], "miss", decks)
        turns[family.name] += 1


def follow_up(
    placed: Sequence[PlacedScene], count: int, turns: cycle[str], decks: Decks
) -> Iterator[Question]:
    """Yield at most ``count`` second questions, each of another scene.

    ``turns`` names the kinds, one after the other: ``pronoun``, ``other`` and ``miss``.
    """
    able = [one for one in placed if one.other and get_family(one.scene.family).follow_ups]
    for one in decks.random.sample(able, min(count, len(able))):
        follow_ups = get_family(one.scene.family).follow_ups
        if follow_ups is None:
            continue
        match next(turns):
            case "pronoun":
                yield _ask(one, follow_ups.pronoun, "then", after="1")
            case "other":
                yield _ask(one, follow_ups.other, "then", after="1")
            case _:
                yield _ask_near_miss(one, follow_ups.miss, "then", decks, after="1")


def _ask(one: PlacedScene, ask: Ask, number: str, *, after: str = "") -> Question:
    values = {**one.scene.values, **_other_values(one)}
    is_other = ask.answer.startswith(OTHER) and one.other is not None
    evidence = one.other if is_other and one.other else one
    family = get_family(one.scene.family)
    return Question(
        id=_identify(one, number),
        split=one.video.split,
        family=family.name,
        query_class=ask.query_class,
        text=fill(ask.text, values),
        video=evidence.video.name,
        scene=evidence.scene.number,
        part=family.evidence,
        answer=values[ask.answer],
        after=_identify(one, after) if after else "",
    )


def _ask_near_miss(
    one: PlacedScene, miss: Miss, number: str, decks: Decks, *, after: str = ""
) -> Question:
    values = {**one.scene.values, **_other_values(one)}
    values |= _draw_absent(list_slots(miss.text, miss.unsaid), one.scene, decks)
    family = get_family(one.scene.family)
    return Question(
        id=_identify(one, number),
        split=one.video.split,
        family=family.name,
        query_class=QueryClass.FOLLOW_UP if after else family.asks[0].query_class,
        text=fill(miss.text, values),
        video=one.video.name,
        scene=one.scene.number,
        part=family.evidence,
        miss=miss.kind,
        after=_identify(one, after) if after else "",
        unsaid=fill(miss.unsaid, values),
    )


def _identify(one: PlacedScene, number: str) -> str:
    return f"{one.video.name}-{one.scene.number}-{number}"


def _other_values(one: PlacedScene) -> dict[str, str]:
    other = one.other.scene.values if one.other else {}
    return {f"{OTHER}{slot}": value for slot, value in other.items()}


def _draw_absent(slots: Sequence[str], scene: Scene, decks: Decks) -> dict[str, str]:
    absent: dict[str, str] = {}
    for slot in slots:
        base = base_of(slot)
        if not slot.startswith(ABSENT):
            continue
        if base == "picture":
            absent[slot] = decks.pictures.draw_absent(scene.picture).describe()
        else:
            absent[slot] = decks.names[base].draw_absent(scene.values[base])
    return absent
