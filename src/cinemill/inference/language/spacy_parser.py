"""The parser of English by spaCy (extra ``intelligence``).

Importing spaCy takes seconds and some 150 MB, so it is imported where the first text is parsed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from cinemill.core.knowledge.graph import TextSpan
from cinemill.errors import TooLarge, ToolMissing
from cinemill.inference.language.parses import (
    LONGEST_TEXT_CHARACTERS,
    MOST_TEXTS,
    NamedSpan,
    ParsedText,
    ParsedToken,
)
from cinemill.inference.models.cards import ModelCard, find_model
from cinemill.inference.models.catalog import get_card
from cinemill.inference.models.language.parsers import restore_path

CARD = "en-core-web-sm"
BATCH_TEXTS = 64
"""Texts that are in memory as spaCy's documents at once."""
_NOT_LOADED = ("senter",)


class SpacyParser:
    """A loaded pipeline. Use :func:`open_parser`; not thread-safe."""

    def __init__(self, card: ModelCard, folder: Path) -> None:
        self._pipeline = _load(card, folder)
        self._model_id = f"{card.name}@{card.revision[:12]}"

    @property
    def model_id(self) -> str:
        """Return the card's name and the beginning of the hash of its weights."""
        return self._model_id

    @property
    def language(self) -> str:
        """Return ``en``."""
        return str(self._pipeline.lang)

    def parse(self, texts: Sequence[str]) -> list[ParsedText]:
        """Return what is found in each text, in order.

        Raises TooLarge (``text_too_long``, ``too_many_texts``).
        """
        if len(texts) > MOST_TEXTS:
            raise TooLarge(
                f"{len(texts)} texts were given; at most {MOST_TEXTS} are parsed in one call.",
                code="too_many_texts",
                hint="Parse them in several calls.",
            )
        longest = max(map(len, texts), default=0)
        if longest > LONGEST_TEXT_CHARACTERS:
            raise TooLarge(
                f"A text has {longest} characters; at most {LONGEST_TEXT_CHARACTERS} are parsed.",
                code="text_too_long",
                hint="Split it into passages.",
            )
        # A long text would make every batch long in which it is.
        return [_convert(doc) for doc in self._pipeline.pipe(texts, batch_size=BATCH_TEXTS)]


@lru_cache(maxsize=1)
def open_parser(folder: Path) -> SpacyParser:
    """Return the parser of English, loaded once per process; ``folder`` holds the models.

    Raises ToolMissing (``extra_missing``, ``model_missing``, ``model_damaged``).
    """
    card = get_card(CARD)
    return SpacyParser(card, find_model(card, folder))


def _load(card: ModelCard, folder: Path) -> Any:
    try:
        import spacy
    except ModuleNotFoundError as missing:
        raise ToolMissing(
            "Names and relations in text need spaCy, which is not installed.",
            code="extra_missing",
            hint="Install it with: pip install 'cinemill[intelligence]'.",
        ) from missing
    # The model's files lie side by side, and spaCy expects folders: it reads all of them at once,
    # and none later.
    with tempfile.TemporaryDirectory(prefix="cinemill-parser-") as name:
        for file in card.files:
            path = Path(name) / restore_path(file.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to((folder / file.name).resolve())
        return spacy.load(name, exclude=list(_NOT_LOADED))


def _convert(doc: Any) -> ParsedText:
    return ParsedText(
        text=doc.text,
        tokens=tuple(
            ParsedToken(
                index=token.i,
                text=token.text,
                lemma=token.lemma_ or token.lower_,
                part=token.pos_,
                tag=token.tag_,
                dependency=token.dep_,
                head=token.head.i,
                span=TextSpan(token.idx, token.idx + len(token.text)),
            )
            for token in doc
        ),
        sentences=tuple((sentence.start, sentence.end) for sentence in doc.sents),
        names=tuple(
            NamedSpan(TextSpan(name.start_char, name.end_char), name.start, name.end, name.label_)
            for name in doc.ents
        ),
    )
