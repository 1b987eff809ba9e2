"""``cinemill detect``: its arguments, requests, output and exit codes, with a fake server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.cli.commands.detect import inputs
from cinemill.cli.commands.detect.inputs import FILMS_AND_SOUNDS, find_videos, read_inputs
from cinemill.cli.commands.detect.outcomes import MEMBERS, Detection
from cinemill.cli.commands.detect.selftest import judge
from cinemill.cli.commands.detect.verdict_view import (
    SEEN,
    STEPS,
    TIME_LINE_COLUMNS,
    UNSEEN,
    draw_time_line,
    format_time,
)
from cinemill.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import LittleServer

    from cinemill.client.models import FrameScoreDocument

ASSET_ID = "397dee33-f172-456c-8304-5e331e980c57"
MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(100)
RESULT: dict[str, Any] = {
    "analysis_id": "j1",
    "job_id": "j1",
    "asset_id": ASSET_ID,
    "verdict": "likely_manipulated",
    "score": 0.97,
    "confidence": 0.95,
    "reasons": ["score_high"],
    "sentences": [
        "A face in this video is likely manipulated.",
        "The score is higher than nearly all unmanipulated videos have.",
        "At most 5% of unmanipulated videos are expected to get this verdict.",
    ],
    "frame_count": 32,
    "faces": [
        {
            "number": 1,
            "start_ms": 0,
            "end_ms": 62_500,
            "band": "likely_manipulated",
            "score": 0.97,
            "sightings": 2,
        }
    ],
    "regions": [
        {
            "track": 1,
            "start_ms": 0,
            "end_ms": 62_501,
            "left": 10.4,
            "top": 20.0,
            "width": 64.0,
            "height": 80.0,
            "score": 0.98,
            "peak_ms": 0,
            "sightings": 2,
        }
    ],
    "processing_seconds": 4.2,
    "stages": {"look_up": 0.1},
    "cache_hit": False,
    "versions": {"result": 1},
}
NO_MODEL = {
    **RESULT,
    "verdict": "no_model",
    "score": None,
    "confidence": None,
    "reasons": ["no_model"],
    "sentences": ["No trained detector is installed, so nothing was scored."],
    "faces": [],
    "regions": [],
    "frame_count": 0,
    "versions": {"result": 1},
}
ERROR = {"code": "media_truncated", "message": "The file is truncated.", "hint": "Upload it again."}


def make_job(result: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    job = {"id": "j1", "kind": "detect_video", "status": "completed", "asset_id": ASSET_ID}
    return {**job, "result": result, **changes}


def make_frame(time_ms: int, face: int, score: float | None) -> FrameScoreDocument:
    exclusion = "" if score is not None else "no_face"
    return {"time_ms": time_ms, "face": face, "score": score, "exclusion": exclusion, "box": None}


def serve(server: LittleServer, job: dict[str, Any]) -> None:
    """Let the server accept a video, and end its job like this one."""
    pending = {**job, "status": "pending", "result": None, "error": None}
    server.on("POST /api/v1/upload", lambda x: x.send_json(pending))
    server.on(f"POST /api/v1/assets/{ASSET_ID}/jobs", lambda x: x.send_json(pending))
    last = json.dumps({"status": job["status"], "progress": 100})
    server.on("GET /api/v1/jobs/j1/events", lambda x: x.send_events(f"id: 1\ndata: {last}\n\n"))
    server.on("GET /api/v1/jobs/j1", lambda x: x.send_json(job))
    frames = [make_frame(0, 1, 0.99), make_frame(30_000, 0, None), make_frame(62_500, 1, 0.1)]
    page = {"frames": frames, "next": None}
    server.on("GET /api/v1/analyses/j1/frames", lambda x: x.send_json(page))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(MP4)
    return path


class TestVerdict:
    def test_detect_json_has_every_member(
        self, fake_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        serve(fake_server, make_job(RESULT))
        done = cinemill("detect", video, "--fast", "--priority", "7", "--json")
        assert done.exit_code == ExitCode.OK, done.output
        (found,) = json.loads(done.stdout)
        assert {name: found[name] for name in MEMBERS} == {name: RESULT[name] for name in MEMBERS}
        assert (found["file"], found["status"], found["error"]) == ("film.mp4", "completed", None)
        sent = next(one for one in fake_server.seen if one.path == "/api/v1/upload")
        for words in (b"detect_video", b'{"fast": true}', b"7"):
            assert words in sent.body

    def test_detect_shows_the_verdict_with_times_and_error_rate(
        self, fake_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        serve(fake_server, make_job(RESULT))
        done = cinemill("detect", video)
        assert done.exit_code == ExitCode.OK, done.output
        first = done.stdout.splitlines()[0]
        assert first.startswith("film.mp4: likely manipulated. A face in this video")
        for words in ("At most 5%", "Score 0.97", "0:00.0–1:02.5", "█", "64×80 pixels"):
            assert words in done.stdout

    def test_detect_without_a_model_names_the_commands_that_help(
        self, fake_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        serve(fake_server, make_job(NO_MODEL))
        done = cinemill("detect", video)
        assert done.exit_code == ExitCode.OK
        assert "no model" in done.stdout
        assert "cinemill detect heads add" in done.stderr

    def test_detect_reports_a_rejected_video_with_exit_code_4(
        self, fake_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        serve(fake_server, make_job(status="failed", error=ERROR))
        done = cinemill("detect", video, "--json")
        assert done.exit_code == ExitCode.REJECTED
        (found,) = json.loads(done.stdout)
        assert (found["verdict"], found["error"]["code"]) == ("failed", "media_truncated")
        assert found["analysis_id"] == "j1"
        assert cinemill("detect", video).exit_code == ExitCode.REJECTED

    def test_detect_of_a_failed_job_is_exit_code_1(
        self, fake_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        error = {**ERROR, "code": "model_unavailable"}
        serve(fake_server, make_job(status="failed", error=error))
        assert cinemill("detect", video).exit_code == ExitCode.JOB_FAILED

    def test_detect_takes_the_id_of_an_asset(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        serve(fake_server, make_job(RESULT))
        asset = {"id": ASSET_ID, "filename": "film.mp4"}
        fake_server.on(f"GET /api/v1/assets/{ASSET_ID}", lambda x: x.send_json(asset))
        done = cinemill("detect", ASSET_ID, "--fast", "--json")
        assert done.exit_code == ExitCode.OK, done.output
        sent = next(one for one in fake_server.seen if one.path.endswith(f"{ASSET_ID}/jobs"))
        assert json.loads(sent.body) == {"kind": "detect_video", "params": {"fast": True}}

    def test_detect_of_a_folder_ends_with_a_table(
        self, fake_server: LittleServer, cinemill: Run, tmp_path: Path
    ) -> None:
        for name in ("b.mp4", "a.mp4"):
            (tmp_path / name).write_bytes(MP4)
        (tmp_path / "notes.txt").write_text("no film")
        serve(fake_server, make_job(RESULT))
        done = cinemill("detect", tmp_path, tmp_path / "gone.mp4")
        assert done.exit_code == ExitCode.USAGE
        rows = [line.split() for line in done.stdout.splitlines()]
        assert [row[0] for row in rows if row and row[0].endswith("mp4")] == [
            *("a.mp4", "b.mp4", "gone.mp4")
        ]
        assert done.stdout.count("At most 5%") == 1
        assert "gone.mp4 does not exist" in done.stderr


class TestDefaultCommand:
    @pytest.mark.parametrize("options", [["--json"], ["--json", "--fast"]])
    def test_detect_options_may_come_before_the_file(
        self, fake_server: LittleServer, cinemill: Run, video: Path, options: list[str]
    ) -> None:
        serve(fake_server, make_job(RESULT))
        assert cinemill("detect", *options, video).exit_code == ExitCode.OK

    def test_detect_run_is_the_same_command(
        self, fake_server: LittleServer, cinemill: Run, video: Path
    ) -> None:
        serve(fake_server, make_job(RESULT))
        assert cinemill("detect", "run", video, "--json").exit_code == ExitCode.OK

    def test_detect_takes_a_file_with_the_name_of_a_command_by_its_path(
        self,
        fake_server: LittleServer,
        cinemill: Run,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("heads").write_bytes(MP4)
        serve(fake_server, make_job(RESULT))
        assert cinemill("detect", "./heads").exit_code == ExitCode.OK
        assert cinemill("detect", "--", "heads").exit_code == ExitCode.OK
        assert "Usage: " in cinemill("detect", "heads").output

    def test_detect_without_arguments_prints_its_help(self, cinemill: Run) -> None:
        shown = cinemill("detect").output
        assert "FILE... | COMMAND" in shown
        assert "selftest" in shown
        assert "Usage: " in cinemill("detect", "-h").stdout


class TestInputs:
    def test_folder_is_searched_for_videos_by_content(self, tmp_path: Path) -> None:
        (tmp_path / "inner").mkdir()
        (tmp_path / ".hidden").mkdir()
        for name in ("inner/z", "a.bin", ".hidden/x.mp4", ".y.mp4"):
            (tmp_path / name).write_bytes(MP4)
        (tmp_path / "text.mp4").write_text("no film")
        (tmp_path / "link.mp4").symlink_to(tmp_path / "a.bin")
        (tmp_path / "sound.flac").write_bytes(b"fLaC" + bytes(40))
        (tmp_path / "picture.mp4").write_bytes(b"\xff\xd8\xff\xe0" + bytes(40))
        videos = [tmp_path / "a.bin", tmp_path / "inner" / "z"]
        assert find_videos(tmp_path) == videos
        assert find_videos(tmp_path, FILMS_AND_SOUNDS) == [*videos, tmp_path / "sound.flac"]

    def test_folder_without_a_video_is_an_error(self, tmp_path: Path) -> None:
        found = read_inputs([str(tmp_path)])
        assert found.errors[str(tmp_path)].code == "folder_unsuitable"
        assert not found.videos

    @pytest.mark.parametrize("limit", ["MOST_VIDEOS", "MOST_FILES"])
    def test_folder_with_too_many_files_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
    ) -> None:
        monkeypatch.setattr(inputs, limit, 2)
        for number in range(3):
            (tmp_path / f"{number}.mp4").write_bytes(MP4)
        assert "more than 2" in read_inputs([str(tmp_path)]).errors[str(tmp_path)].message

    def test_inputs_keep_their_order_and_are_taken_once(self, video: Path) -> None:
        found = read_inputs([ASSET_ID, str(video), "", str(video), ASSET_ID])
        assert found.names == [ASSET_ID, "film.mp4", ""]
        assert found.videos == {"film.mp4": video}
        assert found.assets == {ASSET_ID: ASSET_ID}
        assert set(found.errors) == {""}


class TestSelftest:
    @staticmethod
    def judge(first: dict[str, Any], second: dict[str, Any], **how: Any) -> dict[str, str]:
        outcomes = [Detection("a", "j1", "completed", result=one) for one in (first, second)]
        return {stage.name: stage.result.value for stage in judge(*outcomes, **how)}

    def test_selftest_passes_a_face_with_scores_and_a_cache_hit(self) -> None:
        found = self.judge(RESULT, {**RESULT, "cache_hit": True}, has_detector=True, has_face=True)
        assert found == dict.fromkeys(("decoding", "faces", "verdict", "cache"), "ok")

    @pytest.mark.parametrize(
        ("first", "second", "failed"),
        [
            ({"frame_count": 0}, {}, "decoding"),
            ({"faces": []}, {"faces": []}, "faces"),
            ({"verdict": "no_model"}, {"verdict": "no_model"}, "verdict"),
            ({}, {"cache_hit": False}, "cache"),
            ({}, {"score": 0.5}, "cache"),
        ],
    )
    def test_selftest_names_the_stage_that_fails(
        self, first: dict[str, Any], second: dict[str, Any], failed: str
    ) -> None:
        again = {**RESULT, "cache_hit": True, **second}
        found = self.judge({**RESULT, **first}, again, has_detector=True, has_face=True)
        assert found[failed] == "failed"

    def test_selftest_without_a_detector_accepts_no_verdict_but_no_model(self) -> None:
        honest = self.judge(NO_MODEL, NO_MODEL, has_detector=False, has_face=True)
        assert (honest["verdict"], honest["faces"]) == ("ok", "skipped")
        made_up = self.judge(RESULT, RESULT, has_detector=False, has_face=True)
        assert made_up["verdict"] == "failed"

    def test_selftest_of_a_test_pattern_accepts_no_face_only(self) -> None:
        found = self.judge(RESULT, {**RESULT, "cache_hit": True}, has_detector=True, has_face=False)
        assert (found["faces"], found["verdict"]) == ("failed", "failed")


class TestTimeLine:
    def test_time_line_shows_the_highest_score_of_each_part(self) -> None:
        frames = [make_frame(0, 1, 0.1), make_frame(1, 1, 1.0), make_frame(1000, 1, 0.0)]
        line = draw_time_line(frames, 1000)
        assert line == "█" + " " * (TIME_LINE_COLUMNS - 2) + "▁"

    def test_time_line_marks_a_face_without_a_score(self) -> None:
        assert draw_time_line([make_frame(0, 1, None)], 1000) == "·"
        assert draw_time_line([], 0) == ""

    @given(
        st.lists(
            st.builds(
                make_frame,
                st.integers(0, 10**9),
                st.just(1),
                st.none() | st.floats(0, 1),
            )
        )
    )
    def test_time_line_fits_whatever_the_frames_are(self, frames: list[FrameScoreDocument]) -> None:
        end_ms = max((frame["time_ms"] for frame in frames), default=0)
        line = draw_time_line(frames, end_ms)
        assert len(line) <= TIME_LINE_COLUMNS
        assert set(line) <= {*STEPS, SEEN, UNSEEN}
        assert bool(line) is bool(frames)

    @pytest.mark.parametrize(
        ("time_ms", "words"),
        [(0, "0:00.0"), (62_599, "1:02.5"), (3_602_500, "1:00:02.5"), (599_999, "9:59.9")],
    )
    def test_time_is_written_with_tenths(self, time_ms: int, words: str) -> None:
        assert format_time(time_ms) == words


class TestReview:
    def test_review_lists_the_queue(self, fake_server: LittleServer, cinemill: Run) -> None:
        analysis = {"id": "a1b2c3", "verdict": "inconclusive", "asset_id": ASSET_ID}
        page = {"analyses": [analysis], "next": None}
        fake_server.on("GET /api/v1/reviews", lambda x: x.send_json(page))
        asset = {"id": ASSET_ID, "filename": "film.mp4"}
        fake_server.on(f"GET /api/v1/assets/{ASSET_ID}", lambda x: x.send_json(asset))
        shown = cinemill("detect", "review").stdout
        assert "inconclusive" in shown
        assert "film.mp4" in shown
        listed = json.loads(cinemill("detect", "review", "--json").stdout)
        assert listed == [analysis]

    def test_review_sends_a_decision_with_name_and_reason(
        self, fake_server: LittleServer, cinemill: Run
    ) -> None:
        entry = {"id": 4, "action": "override", "verdict": "inconclusive"}
        fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": [{"id": "a1b2c3"}]}))
        fake_server.on("POST /api/v1/analyses/a1b2c3/reviews", lambda x: x.send_json(entry))
        person = ("--reviewer", "Ada", "--reason", "The light is wrong.", "--seen", "3")
        done = cinemill(
            "detect", "review", "override", "a1b2", "--verdict", "inconclusive", *person
        )
        assert done.exit_code == ExitCode.OK, done.output
        assert "reviewed verdict is inconclusive" in done.stderr
        sent = json.loads(fake_server.seen[-1].body)
        assert sent == {
            "action": "override",
            "reviewer": "Ada",
            "reason": "The light is wrong.",
            "verdict": "inconclusive",
            "seen": 3,
        }

    def test_review_shows_the_audit_trail(self, fake_server: LittleServer, cinemill: Run) -> None:
        entry = {"id": 4, "action": "accept", "reviewer": "Ada", "verdict": "inconclusive"}
        page = {"reviews": [entry], "next": None}
        fake_server.on("GET /api/v1/analyses/a1/reviews", lambda x: x.send_json(page))
        shown = cinemill("detect", "review", "show", "a1").stdout
        assert "accept" in shown
        assert "Ada" in shown
