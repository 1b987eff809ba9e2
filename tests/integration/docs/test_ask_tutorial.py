"""The tutorial about questions, as it is printed: real videos and models, and moments that play."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from tests.integration.docs.markdown_pages import ROOT, Block, parse_page
from tests.integration.docs.page_checks import split_commands
from tests.integration.docs.page_session import Reader, clone_for, run_blocks, running_instance
from tests.model_files import fetch_models, link_models
from tests.speech import bare_words
from tools.samples import fetch

from cinemill.client import Client, HitDocument
from cinemill.core.transcript import SpeechTask
from cinemill.inference.models.catalog import get_card
from cinemill.inference.speech.audio import SAMPLE_RATE_HZ
from cinemill.inference.speech.model import open_speech_model

PATH = ROOT / "docs" / "tutorial" / "ask-your-videos.md"
PAGE = parse_page(PATH, PATH.read_text("utf-8"))
COMMANDS = [
    words for block in PAGE.blocks if block.is_shell for words in split_commands(block.text)
]
SERVER = "make up\n"
DIFFERS = re.compile(r"\b[0-9a-f]{8}\b")
"""Ids, as commands shorten them."""
QUOTE = re.compile(r"“(.+)” \[(\d+)\]")
PICTURE_SIZE = (32, 18)
AROUND_SECONDS = 0.15
"""A frame and a half of the preview copy, which has ten in a second."""
MOST_DIFFERENCE = 6.0
"""Of two pictures, on average: the preview copy is a smaller, compressed picture of the same."""


@dataclass(frozen=True)
class Fact:
    """What a person hears, reads or sees in a sample, and when."""

    sample: str
    words: str
    start: float
    end: float
    is_spoken: bool = False


FACTS = {
    "How many years of negotiations were there?": Fact(
        "obama_speech", "after two years of negotiations", 0.6, 8.7, is_spoken=True
    ),
    "Where is Caminandes written?": Fact("no_face", "Caminandes", 0.6, 3.4),
    "Which video shows a clock?": Fact("shot_change", "digital clock", 0.0, 3.8),
}


def list_blocks() -> list[Block]:
    """Return the blocks that this test runs."""
    mine = f"{Path(__file__).name} runs it", f"{Path(__file__).name} starts it"
    return [one for one in PAGE.blocks if one.is_shell and one.reason.endswith(mine)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """With the models that the page names, and a server."""
    for words in COMMANDS:
        if words[:2] == ["python", "tools/samples.py"]:
            fetch(words[words.index("--name") + 1])
    reader = clone_for(Reader(tmp_path_factory.mktemp("asking")))
    names = [words[3] for words in COMMANDS if words[:3] == ["cinemill", "models", "fetch"]]
    link_models(reader.data / "models", *names)
    with running_instance(reader):
        yield reader


@pytest.fixture(scope="module")
def printed(reader: Reader) -> Mapping[str, str]:
    """Return what each block of the page printed, by its place."""
    blocks = list_blocks()
    assert [block.text for block in blocks].count(SERVER) == 1
    return run_blocks(reader, [block for block in blocks if block.text != SERVER])


def test_commands_print_what_the_page_shows(printed: Mapping[str, str]) -> None:
    shown = {
        block.place: after.text
        for block, after in pairwise(PAGE.blocks)
        if block.place in printed and after.language == "text"
    }
    assert len(shown) >= 4
    for place, text in shown.items():
        lines = iter(simplify(printed[place]))
        missing = [line for line in simplify(text) if line not in lines]
        assert not missing, f"{place} printed\n{printed[place]}"


def simplify(text: str) -> list[str]:
    return [DIFFERS.sub("…", line.rstrip()) for line in text.splitlines()]


def test_page_asks_for_what_is_known_of_the_samples() -> None:
    asked = {words[2] for words in COMMANDS if words[:2] == ["cinemill", "ask"]}
    assert asked == {*FACTS, "Where is the cat?"}


@pytest.mark.parametrize("question", FACTS)
@pytest.mark.usefixtures("printed")
def test_citation_is_true_and_plays(reader: Reader, question: str) -> None:
    fact = FACTS[question]
    with Client.from_home(reader.data) as client:
        answer = client.ask(question)
        ((quoted, number),) = QUOTE.findall(answer["answer"])
        assert (number, len(answer["citations"])) == ("1", 1)
        cited = answer["citations"][0]
        asset = client.asset(cited["asset_id"])
        address = client.base_url
    assert has_words(cited["text"], quoted)
    assert has_words(quoted, fact.words)
    assert asset["filename"] == fetch(fact.sample).name
    assert fact.start <= cited["start"] < cited["end"] <= fact.end
    # What the page plays: the preview copy.
    (source,) = (one["url"] for one in asset["artifacts"] if one["kind"] == "proxy")
    token = (reader.data / "token").read_text("ascii").strip()
    signed = {"Authorization": f"Bearer {token}"}
    part = httpx.get(f"{address}{source}", headers={**signed, "Range": "bytes=100-199"})
    assert (part.status_code, len(part.content)) == (206, 100)
    played = play(f"{address}{source}", cited, signed)
    check_pictures(played, play(str(fetch(fact.sample)), cited))
    if fact.is_spoken:
        assert has_words(transcribe(played.sound), fact.words)


@dataclass(frozen=True)
class Played:
    """A moment as it is seen and heard."""

    pictures: Mapping[float, NDArray[np.float64]]
    """Small and gray, by their times in seconds."""
    sound: NDArray[np.int16]


def play(place: str, moment: HitDocument, headers: Mapping[str, str] | None = None) -> Played:
    """Seek to the start and decode up to the end, over HTTP as a browser does."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    start, end = moment["start"], moment["end"] + AROUND_SECONDS
    sound = [np.zeros(0, np.int16)]
    with av.open(place, options={"headers": lines} if headers else {}) as container:
        container.seek(round(start * av.time_base))
        pictures = {
            float(frame.time or 0): np.asarray(
                frame.reformat(*PICTURE_SIZE, "gray").to_ndarray(), np.float64
            )
            for frame in takewhile(lambda one: (one.time or 0) < end, container.decode(video=0))
        }
        if container.streams.audio:
            container.seek(round(start * av.time_base))
            resampler = AudioResampler("s16", "mono", SAMPLE_RATE_HZ)
            for frame in takewhile(lambda one: (one.time or 0) < end, container.decode(audio=0)):
                sound += [one.to_ndarray()[0].astype(np.int16) for one in resampler.resample(frame)]
    return Played(pictures, np.concatenate(sound))


def check_pictures(played: Played, original: Played) -> None:
    """Compare what is played with the original at the same times."""
    assert played.pictures
    for seconds, picture in played.pictures.items():
        nearest = min(original.pictures, key=lambda other: abs(other - seconds))
        assert abs(nearest - seconds) < AROUND_SECONDS
        assert np.abs(picture - original.pictures[nearest]).mean() < MOST_DIFFERENCE


def transcribe(sound: NDArray[np.int16]) -> str:
    model = open_speech_model(get_card("base"), fetch_models("base"))
    transcription = model.transcribe(
        sound,
        language="en",
        task=SpeechTask.TRANSCRIBE,
        on_progress=lambda _: None,
        should_stop=lambda: None,
    )
    return " ".join(one.text for one in transcription.utterances)


def has_words(text: str, words: str) -> bool:
    """Check whether a text has these words in this order, whatever their case and marks."""
    return f" {' '.join(bare_words(words))} " in f" {' '.join(bare_words(text))} "


@pytest.mark.usefixtures("printed")
def test_address_leads_to_the_page_of_the_video(reader: Reader, printed: Mapping[str, str]) -> None:
    (address,) = re.findall(r"^http://\S+$", "\n".join(printed.values()), re.MULTILINE)
    with Client.from_home(reader.data) as client:
        assert address.startswith(f"{client.base_url}/assets/")
    token = (reader.data / "token").read_text("ascii").strip()
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
    page = httpx.get(address, headers=headers)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
