"""Names of ImageNet's classes: WordNet's first word for each."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from cinemill.errors import ToolMissing
from cinemill.inference.models.analysis.image_names import (
    CLASSES_FILE,
    IMAGENET_NAMES,
    NAMES_FILE,
)
from cinemill.inference.models.cards import find_model

CLASS_COUNT = 1000


@lru_cache(maxsize=1)
def read_class_names(folder: Path) -> tuple[str, ...]:
    """Return the name of each of the 1,000 classes, in order; ``folder`` holds the models.

    A name that two classes share, such as ``crane`` (the bird and the machine), is followed by a
    second word of each. Raises ToolMissing (``model_missing``, ``model_damaged``).
    """
    files = find_model(IMAGENET_NAMES, folder)
    return parse_class_names(
        (files / CLASSES_FILE).read_text("utf-8"), (files / NAMES_FILE).read_text("utf-8")
    )


def parse_class_names(classes: str, words: str) -> tuple[str, ...]:
    """Return the names of classes, one synset a line, by the words of synsets, tab-separated.

    Raises ToolMissing (``model_unusable``) for a synset without words.
    """
    listed = (line.partition("\t") for line in words.splitlines())
    lemmas = {synset: [word.strip() for word in text.split(",")] for synset, _, text in listed}
    synsets = classes.split()
    missing = [synset for synset in synsets if not lemmas.get(synset, [""])[0]]
    if missing or len(synsets) != CLASS_COUNT:
        raise ToolMissing(
            f"The names of {IMAGENET_NAMES.name} do not fit its {len(synsets)} classes.",
            code="model_unusable",
            hint=f"Run 'cinemill models fetch {IMAGENET_NAMES.name}'.",
        )
    first = [lemmas[synset][0] for synset in synsets]
    return tuple(
        _distinguish(lemmas[synset]) if first.count(lemmas[synset][0]) > 1 else lemmas[synset][0]
        for synset in synsets
    )


def _distinguish(words: list[str]) -> str:
    return f"{words[0]} ({words[1]})" if len(words) > 1 else words[0]
