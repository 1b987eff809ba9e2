"""The parser of English: what it finds, what it refuses, and when it is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.model_files import fetch_models

from cinemill.errors import TooLarge, ToolMissing
from cinemill.inference.language.parses import LONGEST_TEXT_CHARACTERS, MOST_TEXTS
from cinemill.inference.language.spacy_parser import CARD, SpacyParser, open_parser
from cinemill.inference.models.catalog import get_card
from cinemill.inference.models.language.parsers import flatten_path, restore_path

TEXT = "Mr. Lorry came to Dover.  He left the  next day."


@pytest.fixture(scope="module")
def folder() -> Path:
    return fetch_models(CARD)


@pytest.fixture(scope="module")
def parser(folder: Path) -> SpacyParser:
    return open_parser(folder)


def test_tokens_and_names_are_where_the_text_has_them(parser: SpacyParser) -> None:
    (parsed,) = parser.parse([TEXT])
    assert parsed.text == TEXT
    assert all(TEXT[one.span.start : one.span.end] == one.text for one in parsed.tokens)
    assert [one.index for one in parsed.tokens] == list(range(len(parsed.tokens)))
    names = {TEXT[one.span.start : one.span.end]: one.label for one in parsed.names}
    assert names["Lorry"] == "PERSON"
    assert names["Dover"] == "GPE"


def test_sentences_cover_all_tokens(parser: SpacyParser) -> None:
    (parsed,) = parser.parse([TEXT])
    assert len(parsed.sentences) == 2
    covered = [n for first, end in parsed.sentences for n in range(first, end)]
    assert covered == list(range(len(parsed.tokens)))
    for first, end in parsed.sentences:
        assert all(first <= one.head < end for one in parsed.tokens[first:end])


def test_texts_are_parsed_in_order_and_alike_in_any_batch(parser: SpacyParser) -> None:
    texts = [f"Anna has {n} horses." for n in range(150)]
    assert parser.parse(texts) == [parser.parse([text])[0] for text in texts]
    assert parser.parse([]) == []


def test_text_or_list_that_is_too_long_is_rejected(parser: SpacyParser) -> None:
    with pytest.raises(TooLarge) as long:
        parser.parse(["a" * (LONGEST_TEXT_CHARACTERS + 1)])
    assert long.value.code == "text_too_long"
    with pytest.raises(TooLarge) as many:
        parser.parse([""] * (MOST_TEXTS + 1))
    assert many.value.code == "too_many_texts"


def test_model_is_named_by_its_weights(parser: SpacyParser) -> None:
    assert parser.model_id == f"{CARD}@{get_card(CARD).revision[:12]}"
    assert parser.language == "en"


def test_paths_within_the_pipeline_are_restored() -> None:
    for file in get_card(CARD).files:
        assert "/" not in file.name
        assert flatten_path(restore_path(file.name)) == file.name


def test_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing) as missing:
        open_parser(tmp_path)
    assert missing.value.code == "model_missing"
    assert f"'cinemill models fetch {CARD}'" in missing.value.hint


def test_missing_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(ToolMissing) as missing:
        SpacyParser(get_card(CARD), folder / CARD)
    assert missing.value.code == "extra_missing"
    assert "pip install 'cinemill[intelligence]'" in missing.value.hint


def test_spacy_is_imported_with_the_first_parser_only() -> None:
    code = (
        "import sys\n"
        "import cinemill.inference.language.spacy_parser\n"
        "import cinemill.capabilities.knowledge.relations.extraction\n"
        "import cinemill.capabilities.knowledge.merging.suggestions\n"
        "sys.exit('spacy' in sys.modules or 'rapidfuzz' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
