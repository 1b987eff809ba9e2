"""``cinemill evaluate`` on a corpus of two videos, with real servers and models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import fresh_database
from tests.corpora import espeak_folder, fetch_espeak
from tests.model_files import link_models
from typer.testing import CliRunner

from cinemill.capabilities.search.evaluation.making.corpus_files import CorpusFolder
from cinemill.capabilities.search.relevance import BY_MEANING
from cinemill.cli.main import app
from cinemill.storage.database import Database, migrate
from cinemill.storage.media import assets
from cinemill.storage.retrieval import models
from cinemill.storage.retrieval.models import EmbeddingModel


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose only content is a text embedding model."""
    folder = tmp_path_factory.mktemp("home")
    name = "minilm-l6-v2-int8"
    link_models(folder / "models", name)
    return folder


@pytest.fixture(scope="module")
def corpus(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    fetch_espeak()
    size = ["--videos", "4", "--scenes", "2", "--espeak", str(espeak_folder())]
    made = run(home, "corpus", "make", str(folder), *size)
    assert made["videos"] == 4
    assert set(made["questions"]) == {"tune", "validate", "test"}
    assert made["near_misses"] > 0
    return folder


def run(home: Path, *arguments: str) -> Any:
    result = CliRunner().invoke(app, ["--home", str(home), "evaluate", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_rankings_and_abstention_are_measured(home: Path, corpus: Path) -> None:
    tracks = run(home, "retrieval", str(corpus))["tracks"]
    assert set(tracks) == {"true transcript"}
    splits = tracks["true transcript"]
    # The split test is neither asked nor searched.
    assert set(splits) == {"tune", "validate"}
    rankings = splits["tune"]["rankings"]
    assert {"vectors", "text", "default", "routed"} <= set(rankings)
    for name in ("text", "default", "routed"):
        assert rankings[name]["all"]["ndcg_at_10"]["value"] > 0.8
    assert splits["tune"]["fused_over_best_single"]["all"]["count"] > 0
    assert 0 <= splits["tune"]["abstention"]["all"]["abstention"]["value"] <= 1


@pytest.fixture(scope="module")
def shared_url(database_url: str) -> Iterator[str]:
    """A database in which somebody has a video."""
    with fresh_database(database_url) as url:
        migrate(url)
        database = Database(url)
        with database.begin() as connection:
            assets.register_asset(
                connection, owner="ann", sha256="0" * 64, size_bytes=1, filename="a.mp4"
            )
        database.close()
        yield url


def list_models(url: str) -> list[EmbeddingModel]:
    database = Database(url)
    with database.begin() as connection:
        found = models.list_models(connection)
    database.close()
    return found


def list_owners(url: str) -> list[str]:
    database = Database(url)
    owners = [one.owner for one in assets.list_assets(database)]
    database.close()
    return owners


def test_quoted_answers_cite_within_their_videos_and_leave_nothing_in_the_database(
    home: Path, corpus: Path, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", shared_url)
    reports = run(home, "answers", str(corpus))["tracks"]["true transcript"]
    figures = reports["tune"]["all"]
    assert figures["citations_within"]["value"] == 1
    assert figures["claims_supported"]["value"] == 1
    assert figures["citations_within"]["count"] > 0
    assert list_owners(shared_url) == ["ann"]
    assert list_models(shared_url) == []


def test_final_questions_are_read_for_a_commit_only(
    home: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(
        app, ["--home", str(home), "evaluate", "retrieval", str(corpus), "--final", "--json"]
    )
    assert "commit_invalid" in result.stderr
    assert CorpusFolder(corpus).list_final_readings() == []


def test_relevance_is_not_fitted_on_too_few_videos(
    home: Path, corpus: Path, shared_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", shared_url)
    result = CliRunner().invoke(
        app, ["--home", str(home), "evaluate", "fit", str(corpus), str(tmp_path), "--json"]
    )
    assert "relevance_examples" in result.stderr
    assert not (tmp_path / BY_MEANING).exists()
    assert list_owners(shared_url) == ["ann"]
