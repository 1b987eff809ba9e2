"""Videos by their names and short ids, questions before deletions, and named files."""

from __future__ import annotations

import io
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.conftest import Exchange

from cinemill.cli.arguments.questions import confirm
from cinemill.cli.commands.videos import assets
from cinemill.cli.exit_codes import ExitCode
from cinemill.cli.files import named_files
from cinemill.cli.files.named_files import Shelves, sort_files, without_hash
from cinemill.errors import Conflict
from cinemill.storage.media.files import LocalFiles

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import LittleServer

FILM = {"id": "26f53807-84de-4af1-b1f6-201ce0ece4cc", "filename": "film.mp4", "size_bytes": 5000}
TWIN = {"id": "26f5aaaa-84de-4af1-b1f6-201ce0ece4cc", "filename": "other.mp4", "size_bytes": 1}
REJECTED = {
    "id": "397dee33-f172-456c-8304-5e331e980c57",
    "status": "failed",
    "error": {"code": "media_truncated", "message": "It ends early.", "retryable": False},
}


@pytest.fixture
def videos(fake_server: LittleServer) -> LittleServer:
    """Return a server with two videos."""
    fake_server.on("GET /api/v1/assets", lambda x: x.send_json({"assets": [FILM, TWIN]}))
    fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": []}))
    path = f"/api/v1/assets/{FILM['id']}"
    fake_server.on(f"GET {path}", lambda x: x.send_json(FILM))
    fake_server.on(f"DELETE {path}", lambda x: x.begin(204))
    none = {"track": "", "chapters": [], "key_moments": []}
    fake_server.on(f"GET {path}/chapters", lambda x: x.send_json(none))
    fake_server.on(f"GET {path}/scenes", lambda x: x.send_json({"scenes": []}))
    fake_server.on("POST /api/v1/search", lambda x: x.send_json({"hits": []}))
    fake_server.on("POST /api/v1/ask", lambda x: x.send_json({"abstained": True}))
    fake_server.on(f"GET {path}/similar", lambda x: x.send_json({"moments": []}))
    return fake_server


@pytest.mark.parametrize("name", ["26f53807", "film.mp4", FILM["id"]])
@pytest.mark.parametrize(
    "arguments",
    [
        ["chapters", "VIDEO"],
        ["scenes", "VIDEO"],
        ["assets", "show", "VIDEO"],
        ["jobs", "--asset", "VIDEO"],
        ["search", "roses", "--asset", "VIDEO"],
        ["rm", "VIDEO", "--yes"],
    ],
    ids=" ".join,
)
def test_each_command_takes_what_lists_print(
    videos: LittleServer, cinemill: Run, arguments: list[str], name: str
) -> None:
    result = cinemill(*(name if word == "VIDEO" else word for word in arguments))
    assert result.exit_code == ExitCode.OK, result.output
    sent = "".join(f"{one.path} {one.body.decode()}" for one in videos.seen)
    assert str(FILM["id"]) in sent


JOB_OF_FILM = "1df1b9c1-0000-4000-8000-000000000000"
NOBODYS = "1df1b9c1-ffff-4000-8000-000000000000"
SHORT = {"id": "88888888-84de-4af1-b1f6-201ce0ece4cc", "filename": "abc", "size_bytes": 1}


@pytest.mark.parametrize(
    "arguments",
    [
        ["chapters", "VIDEO"],
        ["assets", "show", "VIDEO"],
        ["jobs", "--asset", "VIDEO"],
        ["search", "roses", "--asset", "VIDEO"],
        ["ask", "roses", "--asset", "VIDEO"],
        ["rm", "VIDEO", "--yes"],
    ],
    ids=" ".join,
)
def test_video_is_meant_by_whole_ids_of_jobs_and_short_names_alike(
    videos: LittleServer, cinemill: Run, arguments: list[str]
) -> None:
    def refuse(exchange: Exchange) -> None:
        exchange.send_json({"code": "not_found", "detail": "No."}, 404)

    videos.on("GET /api/v1/assets", lambda x: x.send_json({"assets": [FILM, SHORT]}))
    for path in (f"assets/{JOB_OF_FILM}", f"assets/{NOBODYS}", f"jobs/{NOBODYS}"):
        videos.on(f"GET /api/v1/{path}", refuse)
    job = {"id": JOB_OF_FILM, "asset_id": FILM["id"]}
    videos.on(f"GET /api/v1/jobs/{JOB_OF_FILM}", lambda x: x.send_json(job))
    short = f"/api/v1/assets/{SHORT['id']}"
    videos.on(f"GET {short}", lambda x: x.send_json(SHORT))
    videos.on(f"DELETE {short}", lambda x: x.begin(204))
    none = {"track": "", "chapters": [], "key_moments": []}
    videos.on(f"GET {short}/chapters", lambda x: x.send_json(none))
    for text, code in (
        (JOB_OF_FILM, ExitCode.OK),
        ("abc", ExitCode.OK),
        (NOBODYS, ExitCode.USAGE),
    ):
        result = cinemill(*(text if word == "VIDEO" else word for word in arguments))
        assert result.exit_code == code, result.output
    assert "asset_not_found: " in result.stderr


def test_ambiguous_and_unknown_names_are_refused(videos: LittleServer, cinemill: Run) -> None:
    for name, code in (("26f5", "id_ambiguous"), ("none.mp4", "asset_not_found")):
        result = cinemill("chapters", name)
        assert result.exit_code == ExitCode.USAGE
        assert f"{code}: " in result.stderr


def test_assets_alone_lists_them(videos: LittleServer, cinemill: Run) -> None:
    shown = cinemill("assets").stdout
    assert shown == cinemill("assets", "list").stdout
    assert "26f53807" in shown
    assert "film.mp4" in shown


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        (["--limit", "2"], "cinemill assets --limit 20"),
        (["--limit", "1", "--collection", "two words"], "--collection 'two words' --limit 10"),
        (["--limit", "4"], "--limit 30"),
        (["--limit", "30"], ""),
    ],
)
def test_more_videos_are_offered_by_a_command_that_works(
    videos: LittleServer,
    cinemill: Run,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    more: str,
) -> None:
    monkeypatch.setattr(assets, "MOST_LISTED", 30)
    many = [{**FILM, "collection": "two words"}] * int(arguments[1])
    videos.on("GET /api/v1/assets", lambda x: x.send_json({"assets": many}))
    shown = cinemill("assets", "list", *arguments)
    assert shown.exit_code == ExitCode.OK
    assert ("There may be more: " in shown.stderr) == bool(more)
    assert more in shown.stderr


def test_every_failed_job_is_asked_about(videos: LittleServer, cinemill: Run) -> None:
    other = {**REJECTED, "error": {"code": "disk_full", "message": "Full.", "retryable": True}}
    pages = [{"jobs": [other] * 500, "next": "2"}, {"jobs": [REJECTED], "next": None}]
    videos.on("GET /api/v1/jobs", *(partial(Exchange.send_json, document=one) for one in pages))
    result = cinemill("retry", "--failed")
    assert "397dee33 was rejected" in result.stderr
    assert {one.method for one in videos.seen} == {"GET"}


@pytest.mark.parametrize(
    "arguments", [["rm", "film.mp4"], ["retry", REJECTED["id"]], ["retry", "--failed"]], ids=str
)
def test_nobody_to_ask_is_refused_with_a_hint(
    videos: LittleServer, cinemill: Run, arguments: list[str]
) -> None:
    videos.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": [REJECTED]}))
    videos.on(f"GET /api/v1/jobs/{REJECTED['id']}", lambda x: x.send_json(REJECTED))
    result = cinemill(*arguments)
    assert result.exit_code == ExitCode.USAGE
    assert "confirmation_needed: " in result.stderr
    assert "--yes" in result.stderr
    assert {one.method for one in videos.seen} == {"GET"}, "nothing is changed"


def test_rejected_job_is_retried_when_sure(videos: LittleServer, cinemill: Run) -> None:
    videos.on(f"POST /api/v1/jobs/{REJECTED['id']}/retry", lambda x: x.send_json(REJECTED))
    assert cinemill("retry", REJECTED["id"], "--yes").exit_code == ExitCode.OK


@pytest.mark.parametrize(("answer", "is_yes"), [("y", 1), ("YES", 1), ("", 0), ("n", 0)])
def test_answers(monkeypatch: pytest.MonkeyPatch, answer: str, is_yes: bool) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    if is_yes:
        confirm("Sure?", yes=False)
    else:
        with pytest.raises(Conflict, match="Nothing was done"):
            confirm("Sure?", yes=False)


class TestNamedFiles:
    @pytest.fixture
    def artifact(self, tmp_path: Path) -> Any:
        with LocalFiles(tmp_path / "objects").receive() as incoming:
            incoming.write(b"a poster")
            stored = incoming.commit()
        return {"kind": "poster", "filename": "film-poster.jpg", "sha256": stored.sha256}

    def test_named_file_is_found(self, tmp_path: Path, artifact: Any) -> None:
        objects = LocalFiles(tmp_path / "objects")
        named = tmp_path / "previews" / "j1"
        named.mkdir(parents=True)
        for name in ("a-equal.jpg", "film-poster.jpg"):
            objects.export(artifact["sha256"], named / name)
        shelves = Shelves(objects.root, (tmp_path / "renders", tmp_path / "previews"))
        assert shelves.find("j1", artifact) == named / "film-poster.jpg"

    def test_file_without_a_name_is_named(self, tmp_path: Path, artifact: Any) -> None:
        shelves = Shelves(tmp_path / "objects", (tmp_path / "renders",))
        path = shelves.find("j1", artifact)
        assert path == tmp_path / "renders" / "j1" / "film-poster.jpg"
        assert path.read_bytes() == b"a poster"
        assert shelves.find("j1", artifact) == path

    def test_shelf_that_cannot_be_written_leaves_the_stored_file(
        self, tmp_path: Path, artifact: Any
    ) -> None:
        (tmp_path / "renders").write_text("no folder")
        shelves = Shelves(tmp_path / "objects", (tmp_path / "renders",))
        found = shelves.find("j1", artifact)
        assert found is not None
        assert found.name == artifact["sha256"]

    def test_other_disk_is_searched_for_copies_but_given_none(
        self, tmp_path: Path, artifact: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def find_disk(path: Path) -> int:
            return int("objects" in path.parts)

        def refuse(path: Path) -> bytes:
            raise MemoryError(path)

        monkeypatch.setattr(named_files, "_find_disk", find_disk)
        monkeypatch.setattr(Path, "read_bytes", refuse)
        renders = tmp_path / "renders"
        shelves = Shelves(tmp_path / "objects", (renders,))
        stored = LocalFiles(tmp_path / "objects").path(artifact["sha256"])
        assert shelves.find("j1", artifact) == stored
        assert not renders.exists()
        (renders / "j1").mkdir(parents=True)
        (renders / "j1" / "another.jpg").write_text("A poster")
        assert shelves.find("j1", artifact) == stored
        (renders / "j1" / "its own.jpg").write_text("a poster")
        assert shelves.find("j1", artifact) == renders / "j1" / "its own.jpg"

    def test_disk_of_a_folder_is_known_before_it_exists(self, tmp_path: Path) -> None:
        assert named_files._find_disk(tmp_path / "no" / "folder") == tmp_path.stat().st_dev

    def test_files_of_another_machine_are_links(self, tmp_path: Path, artifact: Any) -> None:
        assert Shelves(tmp_path / "none").find("j1", artifact) is None
        link = "http://host/f?variant=2&sha256=ab"
        assert without_hash(link) == "http://host/f?variant=2"
        assert without_hash("/f?sha256=ab") == "/f"

    def test_files_are_in_order_of_their_numbers(self) -> None:
        names = ["p_10.jpg", "p_9.jpg", "p_100.jpg", "p²_1.jpg", "p_1.jpg"]
        files: Any = [{"kind": "preview", "filename": name} for name in names]
        shown = [one["filename"] for one in sort_files(files)]
        assert shown == ["p_1.jpg", "p_9.jpg", "p_10.jpg", "p_100.jpg", "p²_1.jpg"]
