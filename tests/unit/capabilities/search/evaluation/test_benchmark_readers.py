"""Readers of published benchmarks: their own forms are read, anything else has a stable error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cinemill.capabilities.search.evaluation.benchmarks import files
from cinemill.capabilities.search.evaluation.benchmarks.choices import measure_choices
from cinemill.capabilities.search.evaluation.benchmarks.msr_vtt import read_msr_vtt
from cinemill.capabilities.search.evaluation.benchmarks.qvhighlights import read_qvhighlights
from cinemill.capabilities.search.evaluation.benchmarks.records import BenchmarkInvalid
from cinemill.capabilities.search.evaluation.benchmarks.video_mme import read_video_mme
from cinemill.capabilities.search.evaluation.metrics.records import Moment
from cinemill.capabilities.search.evaluation.metrics.report import ALL

MSR_VTT: dict[str, Any] = {
    "info": {"year": "2016"},
    "videos": [
        {
            "id": 1,
            "video_id": "video1",
            "category": 9,
            "url": "x",
            "start time": 137.72,
            "end time": 149.44,
            "split": "test",
        },
        {
            "id": 2,
            "video_id": "video2",
            "category": 3,
            "url": "y",
            "start time": 0.0,
            "end time": 20.0,
            "split": "train",
        },
    ],
    "sentences": [
        {"sen_id": 0, "video_id": "video1", "caption": "a cartoon animals runs"},
        {"sen_id": 1, "video_id": "video2", "caption": "a man is cooking"},
    ],
}
QVHIGHLIGHTS: dict[str, Any] = {
    "qid": 8737,
    "query": "A family is playing basketball together on a green court outside.",
    "duration": 126,
    "vid": "bP5KfdFJzC4_660.0_810.0",
    "relevant_windows": [[0, 16], [120, 130]],
    "relevant_clip_ids": [0, 1, 2],
    "saliency_scores": [[4, 1, 1], [4, 1, 1], [4, 2, 1]],
}
VIDEO_MME_ROW: dict[str, Any] = {
    "video_id": "001",
    "duration": "short",
    "domain": "Knowledge",
    "sub_category": "Humanity & History",
    "url": "https://example.org",
    "videoID": "fFjv93ACGo8",
    "question_id": "001-1",
    "task_type": "Counting Problem",
    "question": "When demonstrating the colors, how many are there?",
    "options": ["A. Four.", "B. Five.", "C. Two.", "D. One."],
    "answer": "C",
}
VIDEO_MME_TEMPLATE: dict[str, Any] = {
    "video_id": "001",
    "duration_category": "short",
    "video_category": "Knowledge",
    "questions": [
        {
            "question_id": "001-1",
            "task_type": "Object Reasoning",
            "question": "Which of these is not correct?",
            "choices": ["A. One.", "B. Another."],
            "answer": "A",
            "response": "B",
        }
    ],
}

Read = Callable[[Path], object]


def write(path: Path, *documents: object) -> Path:
    path.write_text("\n".join(json.dumps(one) for one in documents), "utf-8")
    return path


def test_msr_vtt_captions_of_a_split_are_read(tmp_path: Path) -> None:
    benchmark = read_msr_vtt(write(tmp_path / "test_videodatainfo.json", MSR_VTT))
    (question,) = benchmark.questions
    assert (question.id, question.text) == ("0", "a cartoon animals runs")
    assert question.evidence == (Moment("video1", 0, 11_720),)
    assert benchmark.durations_ms == {"video1": 11_720}
    assert benchmark.skipped == {"from another split": 1}
    assert benchmark.videos == ("video1",)
    assert read_msr_vtt(tmp_path / "test_videodatainfo.json", split="train").videos == ("video2",)


def test_msr_vtt_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "MSRVTT_JSFUSION_test.csv"
    path.write_text(
        "key,vid_key,video_id,sentence\nret0,msr9770,video9770,a person is connecting something\n"
        'ret1,msr9771,video9771,"a little girl, dancing"\n'
    )
    questions = read_msr_vtt(path).questions
    assert [one.text for one in questions] == [
        "a person is connecting something",
        "a little girl, dancing",
    ]
    assert questions[0].evidence == (Moment("video9770", 0, 30_000),)


def test_qvhighlights_windows_are_read_and_cut_at_the_end(tmp_path: Path) -> None:
    hidden = {key: QVHIGHLIGHTS[key] for key in ("query", "duration", "vid")} | {"qid": 1}
    path = write(tmp_path / "highlight_val_release.jsonl", QVHIGHLIGHTS, hidden)
    benchmark = read_qvhighlights(path)
    (question,) = benchmark.questions
    vid = "bP5KfdFJzC4_660.0_810.0"
    assert question.evidence == (Moment(vid, 0, 16_000), Moment(vid, 120_000, 126_000))
    assert benchmark.durations_ms == {vid: 126_000}
    assert list(benchmark.skipped.values()) == [1]


@pytest.mark.parametrize("name", ["video_mme.json", "video_mme.jsonl"])
def test_video_mme_rows_are_read(tmp_path: Path, name: str) -> None:
    rows = VIDEO_MME_ROW if name.endswith("l") else [VIDEO_MME_ROW]
    (question,) = read_video_mme(write(tmp_path / name, rows)).questions
    assert question.video == "fFjv93ACGo8"
    assert question.options == ("Four.", "Five.", "Two.", "One.")
    assert question.answer == 2
    assert question.groups == ("duration: short", "domain: Knowledge", "task: Counting Problem")


def test_video_mme_template_is_read(tmp_path: Path) -> None:
    (question,) = read_video_mme(write(tmp_path / "t.json", [VIDEO_MME_TEMPLATE])).questions
    assert (question.video, question.answer, question.options) == ("001", 0, ("One.", "Another."))


def test_choices_are_counted_and_no_answer_is_a_wrong_one(tmp_path: Path) -> None:
    rows = [
        VIDEO_MME_ROW
        | {
            "question_id": f"{n}",
            "video_id": f"{n:03d}",
            "videoID": f"v{n}",
            "duration": "long" if n > 1 else "short",
        }
        for n in range(6)
    ]
    benchmark = read_video_mme(write(tmp_path / "rows.json", rows))
    chosen = {"0": 2, "1": 1, "2": 2, "3": None, "4": 2}
    report = measure_choices(benchmark, chosen)
    assert report.groups[ALL]["accuracy"].value == 0.5
    assert report.groups[ALL]["accuracy"].interval is not None
    assert report.groups["duration: short"]["accuracy"].value == 0.5
    assert report.groups["duration: long"]["accuracy"].count == 4


MSR_VTT_DAMAGES: dict[str, Any] = {
    "no videos": {"sentences": MSR_VTT["sentences"]},
    "path as a name": MSR_VTT | {"videos": [MSR_VTT["videos"][0] | {"video_id": "../secret"}]},
    "ends before it begins": MSR_VTT | {"videos": [MSR_VTT["videos"][0] | {"end time": 1.0}]},
    "endless": MSR_VTT | {"videos": [MSR_VTT["videos"][0] | {"end time": 1e300}]},
    "not a number": MSR_VTT | {"videos": [MSR_VTT["videos"][0] | {"end time": float("nan")}]},
    "twice": MSR_VTT | {"sentences": MSR_VTT["sentences"][:1] * 2},
    "other split only": MSR_VTT | {"videos": MSR_VTT["videos"][1:]},
    "long caption": MSR_VTT | {"sentences": [MSR_VTT["sentences"][0] | {"caption": "x" * 10_001}]},
    "a list": [MSR_VTT],
}
QVHIGHLIGHTS_DAMAGES: dict[str, Any] = {
    "no query": {key: value for key, value in QVHIGHLIGHTS.items() if key != "query"},
    "backward": QVHIGHLIGHTS | {"relevant_windows": [[16, 0]]},
    "beyond": QVHIGHLIGHTS | {"relevant_windows": [[130, 140]]},
    "three numbers": QVHIGHLIGHTS | {"relevant_windows": [[0, 1, 2]]},
    "negative": QVHIGHLIGHTS | {"relevant_windows": [[-1, 2]]},
    "hidden only": QVHIGHLIGHTS | {"relevant_windows": []},
    "text as windows": QVHIGHLIGHTS | {"relevant_windows": "all"},
}
VIDEO_MME_DAMAGES: dict[str, Any] = {
    "letter": [VIDEO_MME_ROW | {"answer": "Z"}],
    "no such option": [VIDEO_MME_ROW | {"options": ["A. Four.", "B. Five."]}],
    "one option": [VIDEO_MME_ROW | {"options": ["A. Four."], "answer": "A"}],
    "nine options": [VIDEO_MME_ROW | {"options": [*"123456789"]}],
    "twice": [VIDEO_MME_ROW, VIDEO_MME_ROW],
    "empty": [],
    "an object": VIDEO_MME_ROW,
    "path": [VIDEO_MME_ROW | {"videoID": "a/b"}],
}


@pytest.mark.parametrize(
    ("read", "document"),
    [
        *[
            pytest.param(read_msr_vtt, one, id=f"msr-vtt {name}")
            for name, one in MSR_VTT_DAMAGES.items()
        ],
        *[
            pytest.param(read_qvhighlights, one, id=f"qvhighlights {name}")
            for name, one in QVHIGHLIGHTS_DAMAGES.items()
        ],
        *[
            pytest.param(read_video_mme, one, id=f"video-mme {name}")
            for name, one in VIDEO_MME_DAMAGES.items()
        ],
    ],
)
def test_damaged_entry_is_rejected(read: Read, document: object, tmp_path: Path) -> None:
    path = write(tmp_path / "damaged.json", document)
    with pytest.raises(BenchmarkInvalid) as rejected:
        read(path)
    assert rejected.value.code == "dataset_invalid"
    assert str(path) in rejected.value.message


@pytest.mark.parametrize("read", [read_msr_vtt, read_qvhighlights, read_video_mme])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000, b"null"],
    ids=["empty", "cut", "binary", "nested lists", "nested objects", "number", "null"],
)
def test_file_that_is_no_benchmark_is_rejected(read: Read, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(BenchmarkInvalid) as rejected:
        read(path)
    assert rejected.value.code == "dataset_invalid"


@pytest.mark.parametrize("read", [read_msr_vtt, read_qvhighlights, read_video_mme])
def test_missing_file_is_rejected(read: Read, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkInvalid, match="cannot be read"):
        read(tmp_path / "missing.json")


def test_parquet_file_is_rejected_with_a_way_to_convert_it(tmp_path: Path) -> None:
    path = tmp_path / "test-00000-of-00001.parquet"
    path.write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(BenchmarkInvalid) as rejected:
        read_video_mme(path)
    assert "read_parquet" in rejected.value.hint


def test_table_without_its_columns_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    for content in (b"video_id,sentence\nvideo1,hello\n", b"key,video_id,sentence\n", b"\xff\n"):
        path.write_bytes(content)
        with pytest.raises(BenchmarkInvalid):
            read_msr_vtt(path)


def test_sizes_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "lines.jsonl", QVHIGHLIGHTS, QVHIGHLIGHTS | {"qid": 2})
    table = write(tmp_path / "document.json", MSR_VTT)
    assert len(read_qvhighlights(path).questions) == 2
    for name, read, file in (
        ("LONGEST_LINE_BYTES", read_qvhighlights, path),
        ("MOST_ENTRIES", read_qvhighlights, path),
        ("LARGEST_FILE_BYTES", read_msr_vtt, table),
    ):
        with monkeypatch.context() as limited:
            limited.setattr(files, name, 1)
            with pytest.raises(BenchmarkInvalid) as rejected:
                read(file)
            assert rejected.value.code == "dataset_too_large"
