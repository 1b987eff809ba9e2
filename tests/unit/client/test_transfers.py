"""Films in, files out: whole, checked, and never in memory at once."""

from __future__ import annotations

import base64
import hashlib
import os
import tracemalloc
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from cinemill.client import Client, ClientError
from cinemill.client.transfers import fit_folder, safe_name, sha256_from_headers

if TYPE_CHECKING:
    from tests.unit.conftest import Answer, LittleServer, Seen

JOB = {"id": "j", "kind": "process_video", "status": "pending"}
CONTENT = Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SHA256_BASE64 = base64.b64encode(bytes.fromhex(SHA256)).decode()


def fields_of(seen: Seen) -> dict[str, tuple[str | None, Any]]:
    """Multipart form: name → (filename, content)."""
    head = f"Content-Type: {seen.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + seen.body)
    return {
        str(part.get_param("name", header="content-disposition")): (
            part.get_filename(),
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    }


def film(tmp_path: Path, name: str = "film.mp4", content: bytes = CONTENT) -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def send_file(content: bytes, *, claim: int | None = None, **headers: Any) -> Answer:
    """An answer with the file; ``claim`` is the length it lies about, then it breaks off."""

    def answer(x: Any) -> None:
        x.begin(200, Content_Length=len(content) if claim is None else claim, **headers)
        x.wfile.write(content)
        x.close_connection = True

    return answer


class TestUpload:
    def test_sends_the_film_and_what_is_wanted(
        self, server: LittleServer, client: Client, tmp_path: Path
    ) -> None:
        server.on("POST /api/v1/upload", lambda x: x.send_json(JOB))
        moved: list[tuple[int, int]] = []
        job = client.upload(
            film(tmp_path),
            priority=9,
            thumbnail_seconds=1.5,
            idempotency_key="once",
            on_bytes=lambda done, total: moved.append((done, total)),
        )
        assert job == JOB
        assert fields_of(server.seen[0]) == {
            "file": ("film.mp4", CONTENT),
            "priority": (None, b"9"),
            "thumbnail_seconds": (None, b"1.5"),
        }
        assert server.seen[0].headers["idempotency-key"] == "once"
        assert moved[-1] == (len(CONTENT), len(CONTENT))
        assert moved == sorted(moved)

    def test_empty_film_is_sent_too(
        self, server: LittleServer, client: Client, tmp_path: Path
    ) -> None:
        server.on("POST /api/v1/upload", lambda x: x.send_json(JOB))
        client.upload(film(tmp_path, content=b""))
        assert fields_of(server.seen[0])["file"] == ("film.mp4", b"")

    @pytest.mark.parametrize("name", ["фильм 🎬.mp4", 'a"b;c.mp4', "a\nb.mp4"])
    def test_odd_name_breaks_nothing(
        self, server: LittleServer, client: Client, tmp_path: Path, name: str
    ) -> None:
        server.on("POST /api/v1/upload", lambda x: x.send_json(JOB))
        client.upload(film(tmp_path, name))
        assert list(fields_of(server.seen[0])) == ["file"]

    def test_memory_stays_flat(self, server: LittleServer, client: Client, tmp_path: Path) -> None:
        path = tmp_path / "large.mp4"
        with path.open("wb") as file:
            file.truncate(60_000_000)
        server.on("POST /api/v1/upload", lambda x: x.send_json(JOB))
        server.discards_bodies = True
        tracemalloc.start()
        client.upload(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 10_000_000

    def test_missing_film_is_an_os_error(self, client: Client, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            client.upload(tmp_path / "none.mp4")


class TestDownload:
    def test_into_a_folder_keeps_the_mills_name(
        self, server: LittleServer, client: Client, tmp_path: Path
    ) -> None:
        answer = send_file(CONTENT, Content_Disposition='inline; filename="film-proxy.mp4"')
        server.on("GET /api/v1/assets/a/files/proxy", answer)
        path = client.download("a", "proxy", tmp_path)
        assert path == tmp_path / "film-proxy.mp4"
        assert path.read_bytes() == CONTENT
        assert list(tmp_path.iterdir()) == [path]

    def test_to_a_path_replaces_what_was_there(
        self, server: LittleServer, client: Client, tmp_path: Path
    ) -> None:
        server.on("GET /api/v1/assets/a/files/proxy", send_file(CONTENT, ETag=f'"{SHA256}"'))
        path = film(tmp_path, "mine.mp4", b"old")
        client.download("a", "proxy", path)
        assert path.read_bytes() == CONTENT

    def test_resumes_where_it_broke_off(
        self, server: LittleServer, client: Client, tmp_path: Path
    ) -> None:
        cut = 100_000

        def rest(x: Any) -> None:
            start = int(x.headers["Range"].removeprefix("bytes=").rstrip("-"))
            x.begin(206, Content_Length=len(CONTENT) - start, ETag=f'"{SHA256}"')
            x.wfile.write(CONTENT[start:])

        first = send_file(CONTENT[:cut], claim=len(CONTENT), ETag=f'"{SHA256}"')
        server.on("GET /api/v1/assets/a/files/proxy", first, rest)
        path = client.download("a", "proxy", tmp_path / "x")
        assert path.read_bytes() == CONTENT
        assert server.seen[1].headers["if-range"] == f'"{SHA256}"'

    def test_begins_again_where_the_mill_cannot_resume(
        self, server: LittleServer, client: Client, tmp_path: Path
    ) -> None:
        broken = send_file(CONTENT[:1000], claim=len(CONTENT), ETag='"v1"')
        server.on("GET /api/v1/assets/a/files/proxy", broken, send_file(CONTENT, ETag='"v2"'))
        assert client.download("a", "proxy", tmp_path / "x").read_bytes() == CONTENT

    def test_gives_up_on_one_that_always_breaks_and_leaves_nothing(
        self, server: LittleServer, client: Client, tmp_path: Path
    ) -> None:
        server.on("GET /api/v1/assets/a/files/proxy", send_file(b"half", claim=8))
        with pytest.raises(ClientError) as caught:
            client.download("a", "proxy", tmp_path / "x")
        assert caught.value.code == "connection_lost"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "headers",
        [
            {"ETag": f'"{"0" * 64}"'},
            {"Repr_Digest": f"sha-256=:{base64.b64encode(b'0' * 32).decode()}:"},
        ],
    )
    def test_wrong_checksum_is_refused_and_leaves_the_old_file(
        self, server: LittleServer, client: Client, tmp_path: Path, headers: dict[str, Any]
    ) -> None:
        server.on("GET /api/v1/assets/a/files/proxy", send_file(CONTENT, **headers))
        path = film(tmp_path, "mine.mp4", b"old")
        with pytest.raises(ClientError) as caught:
            client.download("a", "proxy", path)
        assert caught.value.code == "download_damaged"
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    def test_refusal_is_not_tried_again(
        self, server: LittleServer, client: Client, tmp_path: Path
    ) -> None:
        server.on(
            "GET /api/v1/assets/a/files/proxy", lambda x: x.send_json({"code": "not_found"}, 404)
        )
        with pytest.raises(ClientError):
            client.download("a", "proxy", tmp_path / "x")
        assert len(server.seen) == 1


class TestHeaders:
    @pytest.mark.parametrize(
        ("disposition", "expected"),
        [
            ('attachment; filename="a.mp4"', "a.mp4"),
            ('attachment; filename="../../etc/passwd"', "passwd"),
            ('attachment; filename="..\\\\x.mp4"', "x.mp4"),
            ('attachment; filename=".."', "proxy"),
            ("attachment", "proxy"),
            ("attachment; filename*=utf-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
            ("attachment; filename*=utf-8''%00..%0a", "proxy"),
        ],
    )
    def test_name_never_leads_out_of_the_folder(self, disposition: str, expected: str) -> None:
        headers = httpx.Headers({"Content-Disposition": disposition})
        assert safe_name(headers, fallback="proxy") == expected

    @pytest.mark.parametrize(
        ("disposition", "expected"),
        [
            ("inline; filename*=utf-8''M%C3%BCll%20%F0%9F%8E%AC-proxy.mp4", "Müll 🎬-proxy.mp4"),
            ("inline; filename=\"M_ll.mp4\"; filename*=UTF-8'de'M%C3%BCll.mp4", "Müll.mp4"),
            (f"inline; filename*=utf-8''{'%D0%B6' * 200}.mp4", "ж" * 125 + ".mp4"),
        ],
    )
    def test_name_of_any_script_arrives(self, disposition: str, expected: str) -> None:
        headers = httpx.Headers({"Content-Disposition": disposition})
        assert safe_name(headers, fallback="proxy") == expected

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({"ETag": f'"{SHA256}"'}, SHA256),
            ({"ETag": f'W/"{SHA256}"'}, SHA256),
            ({"ETag": '"5f-1a2b"'}, None),
            ({"Repr-Digest": f"md5=:eA==:, sha-256=:{SHA256_BASE64}:"}, SHA256),
            ({"Repr-Digest": "sha-256=:not base64:"}, None),
            ({}, None),
        ],
    )
    def test_checksum_is_taken_where_one_is_named(
        self, headers: dict[str, str], expected: str | None
    ) -> None:
        assert sha256_from_headers(httpx.Headers(headers)) == expected


def test_names_of_one_video_stay_different_where_a_disk_takes_short_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """eCryptfs takes 143 bytes, and says so."""
    monkeypatch.setattr(os, "pathconf", lambda _folder, _name: 143)
    stem = "映" * 70
    fitted = [fit_folder(f"{stem}-{rest}", tmp_path) for rest in ("proxy.mp4", "poster.jpg")]
    assert [name.rpartition("-")[2] for name in fitted] == ["proxy.mp4", "poster.jpg"]
    assert all(len(name.encode()) <= 143 for name in fitted)
    assert fit_folder(f"{stem}.mp4", tmp_path) == "映" * 46 + ".mp4"
    assert fit_folder("short-proxy.mp4", tmp_path) == "short-proxy.mp4"
