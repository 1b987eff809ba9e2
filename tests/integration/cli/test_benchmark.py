"""``cinemill evaluate benchmark`` with a real server, on tiny files in the benchmarks' forms."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.films import remux
from tests.integration.cli.test_process import environment_of, running_server
from tests.model_files import link_models
from tests.model_servers import (
    ServerReply,
    ServerRequest,
    openai_document,
    reply_json,
    serve_replies,
)
from tools.samples import fetch
from typer.testing import CliRunner

from cinemill.cli.main import app

Run = Callable[..., Any]
MODELS = (
    *("base", "centerface", "efficientnet-lite0", "imagenet-names", "nanodet"),
    *("minilm-l6-v2-int8", "en-core-web-sm", "clip-vit-b16-int8"),
)
SPEECH = "a man talks about two years of negotiations"
STREET = "a limousine and a streetcar"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("server")
    environment = environment_of(folder / "home")
    link_models(folder / "home" / "models", *MODELS)
    with running_server(environment, folder / "up.log"):
        yield environment


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A speech, shots of a street, and a file that is no video."""
    folder = tmp_path_factory.mktemp("videos")
    shutil.copy(fetch("obama_speech"), folder / "video1.mp4")
    # Three shots of six: the whole takes its detectors longer than all the rest.
    remux(fetch("bikes"), folder / "video2.mp4", "-t", "5")
    (folder / "video3.mp4").write_bytes(b"no video at all")
    return folder


@pytest.fixture
def cinemill(environment: dict[str, str]) -> Run:
    def run(*arguments: object, **more: str) -> Any:
        given = ["evaluate", "benchmark", *map(str, arguments)]
        return CliRunner().invoke(app, given, env={**environment, **more})

    return run


def read(done: Any) -> dict[str, Any]:
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def write_table(folder: Path, captions: dict[str, str]) -> Path:
    """Write captions, by video, as MSR-VTT does."""
    lines = [f"ret{n},msr{n},{video},{words}" for n, (video, words) in enumerate(captions.items())]
    path = folder / "MSRVTT_JSFUSION_test.csv"
    path.write_text("\n".join(["key,vid_key,video_id,sentence", *lines, ""]))
    return path


def test_videos_are_ranked_by_their_captions(cinemill: Run, videos: Path, tmp_path: Path) -> None:
    others = {"video3": "nothing at all", "video4": "a video that nobody has"}
    table = write_table(tmp_path, {"video1": SPEECH, "video2": STREET, **others})
    found = read(cinemill("msr-vtt", table, videos, "--json"))
    assert found["videos"]["missing"] == ["video4"]
    assert set(found["videos"]["assets"]) == {"video1", "video2"}
    assert set(found["videos"]["failed"]) == {"video3"}
    assert found["videos"]["gaps"] == {}
    assert found["questions"]["measured"] == 2
    assert found["questions"]["left_out"] == {
        "video missing": 1,
        "video could not be ingested": 1,
    }
    search = found["figures"]["search"]
    assert search["recall_at_1"]["value"] == 1
    assert search["median_rank"]["value"] == 1
    # The default model of pictures understands no words: said, not measured as a miss.
    assert set(found["figures"]) == {"search"}
    assert found["pictures_missing"] == "text_tower_missing"
    assert search["recall_at_5"]["count"] == 2
    assert search["recall_at_5"]["interval"] is None  # of two videos
    shown = cinemill("msr-vtt", table, videos, "--limit", 1)
    assert shown.exit_code == 0
    assert "1 of 4 videos was used; 1 is missing." in shown.stderr
    assert "Left out 1 question: video missing." in shown.stderr
    assert "1 question was measured." in shown.stderr
    assert "Left out 2 questions: video beyond --limit." in shown.stderr


def test_captions_of_the_other_video_are_measured_as_misses(
    cinemill: Run, videos: Path, tmp_path: Path
) -> None:
    table = write_table(tmp_path, {"video1": STREET, "video2": SPEECH})
    search = read(cinemill("msr-vtt", table, videos, "--json"))["figures"]["search"]
    assert search["recall_at_1"] == {"value": 0, "count": 2, "interval": None}
    assert search["median_rank"]["value"] >= 2


def test_moments_are_found_in_their_video(cinemill: Run, videos: Path, tmp_path: Path) -> None:
    lines = [
        {
            "qid": 1,
            "query": "The president speaks of two years of negotiations.",
            "duration": 15,
            "vid": "video1",
            "relevant_windows": [[0, 15]],
        },
        {"qid": 2, "query": "Hidden.", "duration": 15, "vid": "video1"},
        {"qid": 3, "query": "Gone.", "duration": 9, "vid": "video9", "relevant_windows": [[0, 9]]},
    ]
    path = tmp_path / "highlight_val_release.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    found = read(cinemill("qvhighlights", path, videos, "--profile", "quick", "--json"))
    assert found["videos"]["missing"] == ["video9"]
    assert found["questions"]["measured"] == 1
    assert sum(found["questions"]["left_out"].values()) == 2
    assert set(found["figures"]) == {"search"}
    figures = found["figures"]["search"]
    assert set(figures) == {
        *("recall_1_at_0.5", "recall_1_at_0.7", "map", "map_at_0.5", "map_at_0.75"),
    }
    assert figures["recall_1_at_0.5"]["value"] == 1


def write_choices(folder: Path) -> Path:
    rows = [
        {
            "video_id": f"00{number}",
            "videoID": f"video{number}",
            "duration": "short",
            "question_id": f"00{number}-1",
            "question": "How long were the negotiations?",
            "options": ["A. A week.", "B. Two years.", "C. A day.", "D. Ten years."],
            "answer": "B",
        }
        for number in (1, 2, 9)
    ]
    path = folder / "video_mme.json"
    path.write_text(json.dumps(rows))
    return path


def test_options_are_chosen_by_the_language_model_from_what_is_found(
    cinemill: Run, videos: Path, tmp_path: Path
) -> None:
    def choose(request: ServerRequest) -> ServerReply:
        shown = request.document["messages"][-1]["content"]
        option = "B" if "two years of negotiations" in shown.lower() else "nothing"
        return reply_json(openai_document(json.dumps({"option": option})))

    with serve_replies(choose) as server:
        model = {"CINEMILL_LANGUAGE_MODEL": "m", "CINEMILL_LANGUAGE_MODEL_URL": server.url}
        found = read(cinemill("video-mme", write_choices(tmp_path), videos, "--json", **model))
    assert len(server.requests) == 2
    figures = found["figures"]
    assert figures["all"]["accuracy"]["value"] == 0.5
    assert figures["duration: short"]["accuracy"]["count"] == 2
    assert found["questions"] == {
        "measured": 2,
        "left_out": {"video missing": 1},
        "unanswered": 1,
    }


def test_options_are_refused_without_a_language_model(
    cinemill: Run, videos: Path, tmp_path: Path
) -> None:
    refused = cinemill("video-mme", write_choices(tmp_path), videos)
    assert refused.exit_code != 0
    assert "language_model_missing" in refused.stderr
    assert "only a language model chooses among them" in refused.stderr.replace("\n", " ")


def test_folder_without_the_videos_is_refused(cinemill: Run, tmp_path: Path) -> None:
    refused = cinemill("video-mme", write_choices(tmp_path), tmp_path)
    assert "language_model_missing" in refused.stderr
    refused = cinemill("msr-vtt", write_table(tmp_path, {"video1": SPEECH}), tmp_path)
    assert refused.exit_code != 0
    assert "benchmark_videos_missing" in refused.stderr
