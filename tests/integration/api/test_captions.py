"""Captions are read, edited and discarded; of two simultaneous edits one is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cinemill.capabilities.captions.formats import FILES
from cinemill.capabilities.captions.handlers import write_texts
from cinemill.core.media import Artifact, ArtifactKind
from cinemill.core.retrieval.passages import Passage, PassageTrack
from cinemill.core.transcript import SpeechTask, Transcript, Utterance
from cinemill.storage.database import Database
from cinemill.storage.media import assets
from cinemill.storage.media.files import LocalFiles
from cinemill.storage.retrieval.passages import save_passages

from .conftest import RunningApi

TRANSCRIPT = Transcript(
    "base", "weights", "en", SpeechTask.TRANSCRIBE, (Utterance(0, 1500, "Good mourning."),), {}
)
CORRECTED = [
    {"start_ms": 0, "end_ms": 800, "lines": ["Good"], "speaker": "<Ann> & Bob"},
    {"start_ms": 800, "end_ms": 1500, "lines": ["<i>morning</i> &", "all."], "speaker": ""},
]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def film(api: RunningApi) -> str:
    """A film that nobody has captioned."""
    return str(api.http.get(f"/api/v1/jobs/{api.submit()}").json()["asset_id"])


@pytest.fixture
def captioned(api: RunningApi, database: Database, film: str) -> str:
    """The same with captions of a model, as a worker leaves them."""
    texts = write_texts(TRANSCRIPT, with_words=True)
    made = [store(api, file.kind, file.media_type, texts[file.kind]) for file in FILES]
    with database.begin() as connection:
        assets.save_artifacts(connection, film, "work", made, variant="work")
    return film


def store(api: RunningApi, kind: ArtifactKind, media_type: str, text: str) -> Artifact:
    with LocalFiles(api.home / "objects").receive() as incoming:
        incoming.write(text.encode())
        stored = incoming.commit()
    facts = {"language": "en", "model": "base"}
    return Artifact(kind, stored.sha256, stored.size_bytes, "film.en", media_type, facts)


def save(
    api: RunningApi, film: str, captions: object, version: str | None = None, language: str = "en"
) -> httpx.Response:
    headers = {"If-Match": version} if version else {}
    body = {"captions": captions}
    return api.http.put(f"/api/v1/assets/{film}/captions/{language}", json=body, headers=headers)


def fetch(api: RunningApi, film: str) -> tuple[dict[str, Any], str]:
    answer = api.http.get(f"/api/v1/assets/{film}/captions/en")
    assert answer.status_code == 200, answer.text
    return answer.json(), answer.headers["ETag"]


def read(api: RunningApi, document: dict[str, Any], form: str) -> str:
    answer = api.http.get(document["files"][form]["url"])
    assert answer.status_code == 200
    return answer.text


def test_correction_takes_the_models_place_in_every_form(api: RunningApi, captioned: str) -> None:
    original, version = fetch(api, captioned)
    assert (original["source"], original["model"], original["language"]) == ("model", "base", "en")
    assert [cue["lines"] for cue in original["captions"]] == [["Good mourning."]]

    saved = save(api, captioned, CORRECTED, version)
    assert saved.status_code == 200, saved.text
    document, etag = fetch(api, captioned)
    assert saved.headers["ETag"] == etag != version
    assert (document["source"], document["model"]) == ("person", "base")
    assert document["captions"] == CORRECTED
    assert "\n<v &lt;Ann&gt; &amp; Bob>Good\n" in read(api, document, "vtt")
    assert "\n&lt;i&gt;morning&lt;/i&gt; &amp;\nall." in read(api, document, "vtt")
    assert "00:00:00,800 --> 00:00:01,500" in read(api, document, "srt")
    assert read(api, document, "text") == "Good\n<i>morning</i> & all.\n"
    assert '"corrected_by": "person"' in read(api, document, "json")
    # What the model transcribed is still there, and so is the file that a timeline can name.
    assert read(api, original, "text") == "Good mourning.\n"
    assert Path(saved.json()["srt_path"]).read_text("utf-8") == read(api, document, "srt")


def test_of_two_who_correct_at_once_the_second_is_told(api: RunningApi, captioned: str) -> None:
    _, version = fetch(api, captioned)
    assert save(api, captioned, CORRECTED, version).status_code == 200
    stale = save(api, captioned, [], version)
    assert (stale.status_code, stale.json()["code"]) == (412, "captions_changed")
    assert "Someone else" in stale.json()["detail"]
    blind = save(api, captioned, [])
    assert (blind.status_code, blind.json()["code"]) == (428, "version_required")
    assert fetch(api, captioned)[0]["captions"] == CORRECTED
    # In quotes it is a version of that name, which no captions have.
    assert save(api, captioned, [], '"*"').status_code == 412
    assert save(api, captioned, [], "*").status_code == 200


def test_correction_can_be_taken_back(api: RunningApi, captioned: str) -> None:
    address = f"/api/v1/assets/{captioned}/captions/en"
    _, original = fetch(api, captioned)
    refused = api.http.delete(address, headers={"If-Match": original})
    assert (refused.status_code, refused.json()["code"]) == (409, "captions_not_corrected")
    mine = save(api, captioned, CORRECTED, original).headers["ETag"]
    assert api.http.delete(address, headers={"If-Match": original}).status_code == 412
    assert api.http.delete(address, headers={"If-Match": mine}).status_code == 204
    assert fetch(api, captioned)[1] == original


def test_captions_can_be_written_where_no_model_heard_any(api: RunningApi, film: str) -> None:
    missing = api.http.get(f"/api/v1/assets/{film}/captions/de")
    assert (missing.status_code, missing.json()["code"]) == (404, "captions_not_found")
    assert save(api, film, CORRECTED, language="de").status_code == 200
    listed = api.http.get(f"/api/v1/assets/{film}/captions").json()["captions"]
    assert [(one["language"], one["model"]) for one in listed] == [("de", "")]


@pytest.mark.parametrize(
    ("captions", "code"),
    [
        ([{"start_ms": 5, "end_ms": 5, "lines": ["a"]}], "captions_invalid"),
        ([{"start_ms": 0, "end_ms": 5, "lines": []}], "captions_invalid"),
        ([{"start_ms": 0, "end_ms": 5, "lines": ["a" * 501]}], "captions_invalid"),
        ([{"start_ms": -1, "end_ms": 5, "lines": ["a"]}], "parameters_invalid"),
        ([{"start_ms": 0.5, "end_ms": 5, "lines": ["a"]}], "parameters_invalid"),
        (
            [{"start_ms": 0, "end_ms": 5, "lines": ["a"], "speaker": "a" * 101}],
            "parameters_invalid",
        ),
        ("everything", "parameters_invalid"),
    ],
)
def test_what_are_no_captions_is_refused_and_changes_nothing(
    api: RunningApi, captioned: str, captions: object, code: str
) -> None:
    before = fetch(api, captioned)
    refused = save(api, captioned, captions, before[1])
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert fetch(api, captioned) == before


def test_file_of_another_editor_is_taken_as_it_is(api: RunningApi, film: str) -> None:
    address = f"/api/v1/assets/{film}/captions/en"
    vtt = "WEBVTT\n\nNOTE by hand\n\n1\n00:01.000 --> 00:02.000\n<v Ann>Salt &amp; pepper\n"
    saved = api.http.put(address, content=vtt, headers={"Content-Type": "text/vtt"})
    assert saved.status_code == 200, saved.text
    said = {"start_ms": 1000, "end_ms": 2000, "lines": ["Salt & pepper"], "speaker": "Ann"}
    assert saved.json()["captions"] == [said]
    headers = {"Content-Type": "application/x-subrip", "If-Match": saved.headers["ETag"]}
    latin = "1\n00:00:01,000 --> 00:00:02,000\nsch\xf6n".encode("latin-1")
    refused = api.http.put(address, content=latin, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "subtitles_encoding")
    late = api.http.put(
        address, content="1\n100:00:01,000 --> 100:00:02,000\nlate", headers=headers
    )
    assert (late.status_code, late.json()["code"]) == (422, "captions_invalid")
    much = api.http.put(address, content=b" " * (5 << 20), headers=headers)
    assert much.status_code == 413
    assert fetch(api, film)[0]["captions"] == [said]


def test_models_next_word_does_not_undo_a_persons(
    api: RunningApi, database: Database, captioned: str
) -> None:
    assert save(api, captioned, CORRECTED, "*").status_code == 200
    texts = write_texts(TRANSCRIPT, with_words=False)
    made = [store(api, file.kind, file.media_type, texts[file.kind]) for file in FILES]
    with database.begin() as connection:
        assets.save_artifacts(connection, captioned, "later work", made, variant="later")
    assert fetch(api, captioned)[0]["captions"] == CORRECTED
    # Nor where a file is asked for that is not said to be of anybody.
    for query in ("", "?language=en"):
        held = api.http.get(f"/api/v1/assets/{captioned}/files/captions_text{query}")
        assert held.text == "Good\n<i>morning</i> & all.\n"
    missing = api.http.get(f"/api/v1/assets/{captioned}/files/captions_text?language=fr")
    assert (missing.status_code, missing.json()["code"]) == (404, "captions_not_found")


def list_follow_ups(api: RunningApi, film: str) -> list[str]:
    query = f"/api/v1/jobs?asset_id={film}&kind=apply_caption_edits"
    return [one["id"] for one in api.http.get(query).json()["jobs"]]


def test_searches_follow_an_edit_of_a_video_that_they_know(
    api: RunningApi, database: Database, captioned: str
) -> None:
    assert save(api, captioned, CORRECTED, "*").json()["job_id"] is None
    assert list_follow_ups(api, captioned) == []
    said = Passage(0, PassageTrack.SPEECH, 0, 1500, "Good mourning.", "en")
    with database.begin() as connection:
        save_passages(connection, captioned, PassageTrack.SPEECH, [said])
    saved = save(api, captioned, CORRECTED, "*")
    assert list_follow_ups(api, captioned) == [saved.json()["job_id"]]
    # What is not saved has no job.
    assert save(api, captioned, [], '"another version"').status_code == 412
    assert len(list_follow_ups(api, captioned)) == 1
    address = f"/api/v1/assets/{captioned}/captions/en"
    assert api.http.delete(address, headers={"If-Match": "*"}).status_code == 204
    assert len(list_follow_ups(api, captioned)) == 2


def test_where_there_is_no_room_for_its_name_nothing_is_saved(
    api: RunningApi, captioned: str
) -> None:
    before, version = fetch(api, captioned)
    shelf = Path(save(api, captioned, CORRECTED, version).json()["srt_path"]).parent.parent
    assert api.http.delete(
        f"/api/v1/assets/{captioned}/captions/en", headers={"If-Match": "*"}
    ).is_success
    for folder in shelf.glob("captions-*"):
        shutil.rmtree(folder)
        folder.write_text("in the way", "utf-8")
    assert save(api, captioned, CORRECTED, version).status_code >= 500
    assert fetch(api, captioned)[0] == before


def test_film_or_language_that_is_none_is_said_so(api: RunningApi, film: str) -> None:
    assert api.http.get("/api/v1/assets/none/captions").json()["code"] == "asset_not_found"
    assert save(api, "none", []).json()["code"] == "asset_not_found"
    assert save(api, film, [], language="..").status_code in (404, 405)
    assert save(api, film, [], language="EN").json()["code"] == "parameters_invalid"
