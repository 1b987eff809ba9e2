"""Transcripts are kept once for a film and a model, and come back word for word."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from cinemill.core.transcript import SpeechTask, Transcript, Utterance, Word
from cinemill.errors import NotFound
from cinemill.storage.database import Database
from cinemill.storage.media import assets, findings

SAID = Utterance(
    1200, 2400, "Grüße, Welt!", (Word(1200, 1800, " Grüße,", 0.912), Word(1800, 2400, " Welt!", 1))
)
TRANSCRIPT = Transcript(
    model="base",
    model_revision="abc",
    language="de",
    task=SpeechTask.TRANSCRIBE,
    utterances=(SAID, Utterance(3000, 3500, "Ja.")),
    facts={"device": "cpu"},
)


def register(database: Database, owner: str = "ann") -> str:
    with database.begin() as connection:
        return assets.register_asset(
            connection, owner=owner, sha256="0", size_bytes=7, filename="film.mp4"
        )[0].id


def save(
    database: Database, asset_id: str, transcript: Transcript = TRANSCRIPT, key: str = "key"
) -> None:
    with database.begin() as connection:
        findings.save_transcript(connection, asset_id, key, transcript)


def test_transcript_comes_back_with_every_word(database: Database) -> None:
    asset_id = register(database)
    save(database, asset_id)
    found = findings.get_transcript(database, findings.transcript_id(asset_id, "key"))
    assert found.transcript == TRANSCRIPT
    assert (found.asset_id, found.step_key) == (asset_id, "key")


def test_film_in_which_nobody_speaks_has_a_transcript_too(database: Database) -> None:
    silent = replace(TRANSCRIPT, language="", utterances=())
    save(database, register(database), silent)
    assert findings.find_transcript(database, "key") == silent


def test_work_that_was_never_done_is_not_found(database: Database) -> None:
    assert findings.find_transcript(database, "key") is None
    with pytest.raises(NotFound) as missing:
        findings.get_transcript(database, "nowhere")
    assert missing.value.code == "transcript_not_found"


def test_same_work_is_kept_once_however_many_bring_it(database: Database) -> None:
    asset_id = register(database)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: save(database, asset_id), range(8)))
    later = replace(TRANSCRIPT, utterances=())
    save(database, asset_id, later)
    assert findings.find_transcript(database, "key") == TRANSCRIPT


def test_two_owners_of_the_same_bytes_have_a_transcript_each(database: Database) -> None:
    ann, bob = register(database, "ann"), register(database, "bob")
    save(database, ann)
    save(database, bob)
    with database.begin() as connection:
        assets.delete_asset(connection, ann)
    left = findings.get_transcript(database, findings.transcript_id(bob, "key"))
    assert left.transcript == TRANSCRIPT
    with pytest.raises(NotFound):
        findings.get_transcript(database, findings.transcript_id(ann, "key"))
