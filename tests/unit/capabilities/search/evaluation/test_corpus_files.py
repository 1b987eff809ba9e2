"""The folder of a corpus: final questions apart, other corpora and damages rejected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cinemill.capabilities.search.evaluation.making.commit import read_commit
from cinemill.capabilities.search.evaluation.making.corpus_files import (
    FINAL_QUESTIONS_NAME,
    QUESTIONS_NAME,
    READINGS_NAME,
    CommitInvalid,
    CorpusDescription,
    CorpusDiffers,
    CorpusFolder,
    CorpusInvalid,
)
from cinemill.capabilities.search.evaluation.making.truth import TrueScene, TrueSentence, TrueVideo
from cinemill.capabilities.search.evaluation.plan.corpus_plan import CorpusSize, make_plan
from cinemill.capabilities.search.evaluation.plan.records import Picture, Split

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PLAN = make_plan(1, CorpusSize(4, 3))
DESCRIPTION = CorpusDescription(1, "ab" * 32, "synthesizer 1.0", ("v01", "v02", "v03", "v04"))
TRUTH = TrueVideo(
    name="v01",
    split=Split.TUNE,
    fps=12,
    frames=50,
    scenes=(
        TrueScene(
            0,
            "budget",
            0,
            4_166,
            Picture("red", "star", 2),
            "OSLO 107",
            "en",
            (TrueSentence(300, 2_000, "Grüße aus Zürich."),),
            0,
        ),
    ),
)


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusFolder:
    folder = CorpusFolder(tmp_path / "corpus")
    folder.begin(DESCRIPTION, PLAN.questions)
    return folder


def test_questions_are_read_as_they_were_written(corpus: CorpusFolder) -> None:
    assert corpus.read_questions() == PLAN.list_questions(Split.TUNE, Split.VALIDATE)
    assert corpus.read_description() == DESCRIPTION


def test_final_questions_are_elsewhere_and_reading_them_is_recorded(corpus: CorpusFolder) -> None:
    text = (corpus.root / QUESTIONS_NAME).read_text("utf-8")
    final = PLAN.list_questions(Split.TEST)
    assert final
    assert not [question for question in final if question.text in text]
    assert corpus.list_final_readings() == []
    assert corpus.read_final_questions(commit=COMMIT) == final
    corpus.read_final_questions(commit=COMMIT[::-1])
    assert corpus.list_final_readings() == [COMMIT, COMMIT[::-1]]


@pytest.mark.parametrize("commit", ["", "HEAD", "abc123", COMMIT.upper(), f"{COMMIT}\n"])
def test_final_questions_need_a_full_commit(corpus: CorpusFolder, commit: str) -> None:
    with pytest.raises(CommitInvalid) as rejected:
        corpus.read_final_questions(commit=commit)
    assert rejected.value.code == "commit_invalid"
    assert corpus.list_final_readings() == []


def test_corpus_of_another_plan_is_not_overwritten(corpus: CorpusFolder) -> None:
    other = CorpusDescription(2, "cd" * 32, "synthesizer 1.0", ("v01",))
    with pytest.raises(CorpusDiffers) as rejected:
        corpus.begin(other, ())
    assert rejected.value.code == "corpus_differs"
    assert corpus.read_questions()
    corpus.begin(DESCRIPTION, PLAN.questions)  # the same one goes on


def test_video_is_there_once_its_truth_is(corpus: CorpusFolder, tmp_path: Path) -> None:
    made = tmp_path / "film.mp4"
    made.write_bytes(b"film")
    assert not corpus.has_video("v01")
    corpus.locate_video("v01").write_bytes(b"half a film")
    assert not corpus.has_video("v01")
    corpus.place_video(made, TRUTH)
    assert corpus.has_video("v01")
    assert corpus.read_video("v01") == TRUTH
    assert corpus.locate_video("v01").read_bytes() == b"film"
    with pytest.raises(CorpusInvalid):
        corpus.read_videos()  # the others are missing


@pytest.mark.parametrize("name", ["../v01", "", "V01", "a/b", "v" * 65])
def test_name_that_leads_elsewhere_is_rejected(corpus: CorpusFolder, name: str) -> None:
    with pytest.raises(CorpusInvalid):
        corpus.locate_video(name)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"seed": 1}', "[" * 10_000])
def test_damaged_files_are_rejected(corpus: CorpusFolder, content: str) -> None:
    (corpus.root / QUESTIONS_NAME).write_text(content)
    (corpus.root / FINAL_QUESTIONS_NAME).write_text(content)
    (corpus.root / READINGS_NAME).write_text(content or "{}")
    for read in (
        corpus.read_questions,
        lambda: corpus.read_final_questions(commit=COMMIT),
        corpus.list_final_readings,
    ):
        with pytest.raises(CorpusInvalid) as rejected:
            read()
        assert rejected.value.code == "corpus_invalid"


def test_missing_corpus_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(CorpusInvalid, match="cannot be read"):
        CorpusFolder(tmp_path).read_questions()


def test_commit_is_read_from_a_branch_a_packed_branch_and_a_linked_copy(tmp_path: Path) -> None:
    git = tmp_path / "copy" / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text(f"{COMMIT}\n")
    assert read_commit(tmp_path / "copy") == COMMIT
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "refs" / "heads" / "main").write_text(f"{COMMIT[::-1]}\n")
    assert read_commit(tmp_path / "copy") == COMMIT[::-1]
    (git / "refs" / "heads" / "main").unlink()
    (git / "packed-refs").write_text(f"# pack-refs\n{COMMIT} refs/heads/main\n")
    assert read_commit(tmp_path / "copy") == COMMIT
    linked = git / "worktrees" / "linked"
    linked.mkdir(parents=True)
    (linked / "HEAD").write_text("ref: refs/heads/main\n")
    (linked / "commondir").write_text("../..\n")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / ".git").write_text(f"gitdir: {linked}\n")
    assert read_commit(tmp_path / "linked") == COMMIT


@pytest.mark.parametrize(
    "head", ["", "ref: refs/heads/missing", "ref: refs/../../secret", "ref: /etc/passwd", "abc"]
)
def test_folder_without_a_commit_is_rejected(tmp_path: Path, head: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(head)
    (tmp_path / ".git" / "packed-refs").write_text(f"{COMMIT} refs/heads/main\n")
    with pytest.raises(CommitInvalid):
        read_commit(tmp_path)


def test_folder_that_is_no_working_copy_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(CommitInvalid):
        read_commit(tmp_path)
    (tmp_path / ".git").write_text(json.dumps({}))
    with pytest.raises(CommitInvalid):
        read_commit(tmp_path)
