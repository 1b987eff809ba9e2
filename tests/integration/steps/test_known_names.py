"""A person's own list of names in the steps that find entities and hear speech, by real models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.integration.steps.conftest import make_run
from tests.integration.storage.intelligence_rows import register, tell
from tests.model_files import fetch_models
from tools.samples import fetch

from cinemill.capabilities import captions
from cinemill.capabilities.captions.edit_store import CaptionStore, correct_captions
from cinemill.capabilities.captions.handlers import transcribe_speech, transcript_key
from cinemill.capabilities.captions.request import SpeechRequest
from cinemill.capabilities.knowledge.handlers import find_entities
from cinemill.core.knowledge.gazetteer import MOST_NAMES
from cinemill.core.text.segmentation import Cue
from cinemill.core.transcript import SpeechTask, Transcript, Utterance
from cinemill.errors import InputRejected
from cinemill.inference.models.catalog import get_card
from cinemill.jobs.results import write_result
from cinemill.jobs.step import StepContext
from cinemill.media.probe.probe import probe
from cinemill.steps.ingestion.kinds import TRANSCRIBE_SPEECH
from cinemill.steps.ingestion.name_list import LARGEST_FILE_BYTES
from cinemill.steps.resources import StepResources
from cinemill.steps.source.results import ProbeResult
from cinemill.storage.media.assets import get_asset, register_asset
from cinemill.storage.media.findings import get_transcript, save_transcript

WORDS = "Yesterday the flux capacitor of Oddbody Lane was repaired in Oslo."


def open_context(folder: Path) -> StepContext:
    run = make_run("extract_entities", asset_id="talk")
    return StepContext(run, folder, lambda *_: None, lambda: None, memory_bytes=4 << 30)


def find(resources: StepResources, folder: Path) -> tuple[dict[str, str], bool]:
    """Run the step; return the kinds of the video's entities by name, and if it was done before."""
    outcome = find_entities(resources, open_context(folder))
    with resources.database.begin() as connection:
        outcome.write(connection)
        rows = connection.execute(
            text("SELECT name, kind FROM mention JOIN entity ON entity.id = entity_id")
        )
        return {row.name: row.kind for row in rows}, bool(outcome.result["reused"])


def test_known_names_go_before_those_of_the_parser(
    resources: StepResources, tmp_path: Path
) -> None:
    register(resources.database, "talk")
    tell(resources.database, "talk", [WORDS])
    models = fetch_models("en-core-web-sm")
    without = replace(resources, models_dir=models)
    found, _ = find(without, tmp_path)
    assert "flux capacitor" not in found
    names = tmp_path / "names.txt"
    names.write_text("thing flux capacitor\nperson Oddbody Lane\n", "utf-8")
    with_list = replace(without, names_file=names)
    found, is_reused = find(with_list, tmp_path)
    assert (found["flux capacitor"], found["Oddbody Lane"]) == ("thing", "person")
    assert not is_reused
    assert find(with_list, tmp_path) == (found, True)
    names.write_text("place Oddbody Lane\n", "utf-8")
    found, is_reused = find(with_list, tmp_path)
    assert (found["Oddbody Lane"], is_reused) == ("place", False)
    assert "flux capacitor" not in found


def open_speech(resources: StepResources, folder: Path) -> StepContext:
    """Store a video with speech, and return the context of the step that transcribes it."""
    stored = resources.files.copy_in(fetch("obama_speech"))
    with resources.database.begin() as connection:
        asset, _ = register_asset(
            connection,
            owner="ann",
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            filename="obama_speech.mp4",
        )
    media = probe(resources.files.path(stored.sha256), resources.limits, sandbox=resources.sandbox)
    probed = dict(write_result(ProbeResult(asset.id, media, {})))
    folder.mkdir(exist_ok=True)
    run = make_run(
        "caption", asset_id=asset.id, params={"model": "tiny.en"}, inputs={"probe": probed}
    )
    return StepContext(run, folder, lambda *_: None, lambda: None, memory_bytes=4 << 30)


def test_another_list_of_names_has_the_speech_heard_again(
    resources: StepResources, tmp_path: Path
) -> None:
    with_model = replace(resources, models_dir=fetch_models("tiny.en"))
    context = open_speech(with_model, tmp_path / "work")
    names = tmp_path / "names.txt"
    with_list = replace(with_model, names_file=names)

    def hear(having: StepResources) -> tuple[str, bool, list[str]]:
        outcome = transcribe_speech(having, context)
        with having.database.begin() as connection:
            outcome.write(connection)
        identity = str(outcome.result["transcript_id"])
        facts = get_transcript(having.database, identity).transcript.facts
        return identity, bool(outcome.result["reused"]), facts.get("hotwords", [])

    without, _, given = hear(with_model)
    assert given == []
    names.write_text("person Zarif\nplace Lausanne\n", "utf-8")
    first, is_reused, given = hear(with_list)
    assert (is_reused, given) == (False, ["Zarif", "Lausanne"])
    # The order by what the library mentions and the kinds of names do not count.
    names.write_text("# of the talks\nplace Zarif\nplace Lausanne\n", "utf-8")
    assert hear(with_list) == (first, True, given)
    names.write_text("person Zarif\nplace Lausanne\nperson Kerry\n", "utf-8")
    second, is_reused, given = hear(with_list)
    assert (is_reused, given) == (False, ["Zarif", "Lausanne", "Kerry"])
    assert len({without, first, second}) == 3
    assert hear(with_model)[:2] == (without, True)
    names.write_text("# none\n", "utf-8")
    assert hear(with_list)[:2] == (without, True)
    names.write_text("hero Zarif\n", "utf-8")
    with pytest.raises(InputRejected) as refused:
        hear(with_list)
    assert refused.value.code == "name_invalid"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"hero Zarif\n", "name_invalid"),
        (b"person \xff\n", "names_unreadable"),
        (b"#" * (LARGEST_FILE_BYTES + 1), "names_too_large"),
        (b"".join(b"person A%d\n" % n for n in range(MOST_NAMES + 1)), "too_many_names"),
    ],
)
def test_list_that_cannot_be_used_costs_an_ingestion_the_names_only(
    resources: StepResources, tmp_path: Path, content: bytes, code: str
) -> None:
    names = tmp_path / "names.txt"
    names.write_bytes(content)
    having = replace(resources, models_dir=fetch_models("tiny.en"), names_file=names)
    context = open_speech(having, tmp_path / "work")
    store_speech(having, context)
    ingestion = replace(context, run=replace(context.run, job_params={"profile": "standard"}))
    handler = captions.CAPABILITY.build_handlers(having)[TRANSCRIBE_SPEECH]

    def ingest() -> list[tuple[str, str]]:
        outcome = handler(ingestion)
        with having.database.begin() as connection:
            outcome.write(connection)
            rows = connection.execute(text("SELECT subject, code FROM finding_gap"))
            found = [(row.subject, row.code) for row in rows]
        assert outcome.result["transcript_id"]
        return found

    assert ingest() == [("names", code)]
    with pytest.raises(InputRejected) as refused:
        handler(context)
    assert refused.value.code == code
    names.write_text("# none\n", "utf-8")
    assert ingest() == []


def test_gap_of_names_ends_where_a_person_has_written_what_is_said(
    resources: StepResources, tmp_path: Path
) -> None:
    """Nobody listens then, with names or without."""
    names = tmp_path / "names.txt"
    names.write_text("hero Zarif\n", "utf-8")
    having = replace(resources, models_dir=fetch_models("tiny.en"), names_file=names)
    context = open_speech(having, tmp_path / "work")
    store_speech(having, context)
    ingestion = replace(context, run=replace(context.run, job_params={"profile": "standard"}))
    handler = captions.CAPABILITY.build_handlers(having)[TRANSCRIBE_SPEECH]

    def ingest() -> list[str]:
        outcome = handler(ingestion)
        with having.database.begin() as connection:
            outcome.write(connection)
            return [row.subject for row in connection.execute(text("SELECT * FROM finding_gap"))]

    assert ingest() == ["names"]
    asset = get_asset(having.database, str(context.run.asset_id))
    store = CaptionStore(having.database, having.files, tmp_path, having.service)
    correct_captions(store, asset, "en", [Cue(0, 1500, ("Good evening.",), ())], None)
    assert ingest() == []


def store_speech(resources: StepResources, context: StepContext) -> None:
    """Store what an earlier step heard without names, so that nobody has to listen."""
    without = replace(resources, names_file=None)
    asset_id = str(context.run.asset_id)
    with without.database.begin() as connection:
        sha256 = get_asset(without.database, asset_id).sha256
        request = context.parameters(SpeechRequest)
        key = transcript_key(sha256, request, get_card(request.model).revision)
        said = Utterance(0, 1500, "Good morning.")
        heard = Transcript(request.model, "", "en", SpeechTask.TRANSCRIBE, (said,), {})
        save_transcript(connection, asset_id=asset_id, step_key=key, transcript=heard)
