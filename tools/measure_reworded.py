"""Ask a corpus for its facts in other words, and print how often the search abstains.

Usage: ``python tools/measure_reworded.py FOLDER``, with the folder of ``cinemill evaluate corpus
make`` and the settings of ``cinemill evaluate``. Only the splits tune and validate are asked.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from cinemill.capabilities.search.evaluation.metrics.records import Outcome, locate_questions
from cinemill.capabilities.search.evaluation.plan import words
from cinemill.capabilities.search.evaluation.plan.corpus_plan import make_plan
from cinemill.capabilities.search.evaluation.plan.questions import PlacedScene, place_scenes
from cinemill.capabilities.search.evaluation.plan.records import (
    CorpusPlan,
    EvidencePart,
    MissKind,
    QueryClass,
    Question,
    Split,
)
from cinemill.capabilities.search.evaluation.plan.templates import base_of, fill, list_slots
from cinemill.capabilities.search.evaluation.running.relevance import judge_outcomes
from cinemill.capabilities.search.evaluation.running.searches import search_questions
from cinemill.cli.commands.evaluate import setup
from tools.rewordings import REWORDINGS, Rewording

SEED = 5
SCENES = 10
"""Of a family that each form asks for."""
Names = Mapping[str, Sequence[str]]


def main(folder: Path) -> None:
    """Print the share that abstains of each form's questions and near misses."""
    opened = setup.open_setup(folder, final=False)
    questions = list_reworded(make_plan(opened.corpus.read_description().seed))
    asked = locate_questions(questions, opened.videos)
    with setup.open_database(opened.settings) as (database, owner):
        place = setup.TrackPlace(database, owner, None)
        with setup.open_track(opened, place) as library:
            searched = search_questions(library, asked)
            outcomes = judge_outcomes(searched, opened.compare_words)
    forms: defaultdict[str, list[Outcome]] = defaultdict(list)
    for question, outcome in zip(questions, outcomes, strict=True):
        forms[question.family].append(outcome)
        forms["all"].append(outcome)
    for name, found in forms.items():
        answers = [one.abstained for one in found if one.question.is_answerable]
        misses = [one.abstained for one in found if not one.question.is_answerable]
        false, caught = sum(answers) / len(answers), sum(misses) / len(misses)
        print(f"{name}: false abstention {false:.3f}, near misses caught {caught:.3f}")


def list_reworded(plan: CorpusPlan) -> list[Question]:
    """Return a question and a near miss for each form and each of its scenes."""
    random = Random(SEED)
    absent = _list_absent(plan)
    questions: list[Question] = []
    for split in (Split.TUNE, Split.VALIDATE):
        placed = place_scenes([video for video in plan.videos if video.split is split])
        for family, forms in REWORDINGS.items():
            scenes = [one for one in placed if one.scene.family == family]
            for number, form in enumerate(forms, start=1):
                for at, one in enumerate(random.sample(scenes, min(SCENES, len(scenes)))):
                    questions += _ask(one, f"{family}+{number}", form, at, absent, random)
    return questions


def _list_absent(plan: CorpusPlan) -> Names:
    """Return the names of each slot that no sentence of the corpus has."""
    scenes = (scene for video in plan.videos for scene in video.scenes)
    said = " ".join(text for scene in scenes for text in scene.sentences).lower()
    every = {
        "person": words.list_people(),
        "org": words.list_organizations(),
        "thing": words.list_venues(),
        "quote": words.list_quotes(),
    }
    return {
        slot: [name for name in names if name.lower() not in said] for slot, names in every.items()
    }


def _ask(
    one: PlacedScene, name: str, form: Rewording, at: int, absent: Names, random: Random
) -> Iterator[Question]:
    values = dict(one.scene.values)
    named = [slot for slot in list_slots(form.question) if base_of(slot) in absent]
    text, kind = fill(form.near_miss, values), MissKind.PREDICATE
    slot = random.choice(named)
    if at % 3 == 1:
        kind = MissKind.ABSENT
        first = values[slot].split()[0]
        names = absent[base_of(slot)]
        alike = [other for other in names if other.split()[0] == first] or names
        text = fill(form.question, values | {slot: random.choice(alike)})
    elif at % 3 == 2 and len(named) > 1 and one.other is not None:
        kind = MissKind.SWAPPED_NAME
        text = fill(form.question, values | {slot: one.other.scene.values[slot]})
    yield _make(one, name, fill(form.question, values), values[form.answer], None)
    yield _make(one, name, text, "", kind)


def _make(one: PlacedScene, name: str, text: str, answer: str, miss: MissKind | None) -> Question:
    return Question(
        id=f"{name}-{one.video.name}-{one.scene.number}-{'miss' if miss else 'ask'}",
        split=one.video.split,
        family=name,
        query_class=QueryClass.PARAPHRASE,
        text=text,
        video=one.video.name,
        scene=one.scene.number,
        part=EvidencePart.SPEECH,
        answer=answer,
        miss=miss,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
