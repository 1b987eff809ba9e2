"""Content credentials of real videos, signed by certificates that are created here."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.credentials import make_signer, sign
from tests.films import make_film, remux

from cinemill.core.media import SourceFormat
from cinemill.core.origin.provenance import ProvenanceReport, ProvenanceState
from cinemill.errors import JobCancelled
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox
from cinemill.media.provenance import read
from cinemill.media.provenance.read import read_provenance
from cinemill.media.provenance.trust_list import NO_TRUST_LIST, TrustList, read_trust_list

MP4 = SourceFormat.MP4


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return detect_sandbox()


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("films") / "plain.mp4")


@pytest.fixture(scope="module")
def signed(unsigned: Path) -> Path:
    return sign(unsigned, unsigned.with_name("signed.mp4"), make_signer())


def trust(folder: Path, *anchors: str) -> TrustList:
    path = folder / "anchors.pem"
    path.write_text("\n".join(("Our partners:", *anchors)))
    return read_trust_list(path)


def test_unsigned_video_has_none_and_that_is_no_evidence(unsigned: Path, sandbox: Sandbox) -> None:
    report = read_provenance(unsigned, MP4, sandbox=sandbox)
    assert report.state is ProvenanceState.NONE
    assert "no evidence either way" in report.list_sentences()[0]


def test_signer_is_untrusted_without_a_trust_list(signed: Path, sandbox: Sandbox) -> None:
    report = read_provenance(signed, MP4, sandbox=sandbox)
    assert report.state is ProvenanceState.UNTRUSTED_SIGNER
    assert report.signer is not None
    assert report.signer.name == "Press Photographer"
    assert report.signer.issuer == "Cinemill Tests"
    assert report.claim_generator == "Test Camera 1.0"
    assert report.title == "Harbor at dawn"
    assert [action.name for action in report.actions] == ["c2pa.created"]
    assert report.actions[0].source_type == "digitalCapture"
    assert not report.is_generative
    assert report.problems == ()
    assert "no trust list" in report.list_sentences()[0]


def test_signer_is_trusted_whose_root_is_on_the_trust_list(
    signed: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    trust_list = trust(tmp_path, make_signer("Somebody Else").anchor, make_signer().anchor)
    report = read_provenance(signed, MP4, sandbox=sandbox, trust_list=trust_list)
    assert report.state is ProvenanceState.TRUSTED
    assert "“Press Photographer”" in report.list_sentences()[0]


def test_signer_is_untrusted_whose_root_is_not_on_the_trust_list(
    signed: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    trust_list = trust(tmp_path, make_signer("Somebody Else").anchor)
    report = read_provenance(signed, MP4, sandbox=sandbox, trust_list=trust_list)
    assert report.state is ProvenanceState.UNTRUSTED_SIGNER
    assert "is not on this installation's trust list" in report.list_sentences()[0]


def test_same_name_on_another_certificate_is_untrusted(
    unsigned: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    make_signer.cache_clear()
    impostor = make_signer()
    make_signer.cache_clear()
    genuine = make_signer()
    path = sign(unsigned, tmp_path / "impostor.mp4", impostor)
    report = read_provenance(path, MP4, sandbox=sandbox, trust_list=trust(tmp_path, genuine.anchor))
    assert report.state is ProvenanceState.UNTRUSTED_SIGNER


def test_one_changed_bit_is_invalid_even_from_a_trusted_signer(
    unsigned: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    signer = make_signer()
    path = sign(unsigned, tmp_path / "signed.mp4", signer)
    content = bytearray(path.read_bytes())
    content[content.rindex(b"mdat") + 5000] ^= 1
    path.write_bytes(content)
    report = read_provenance(path, MP4, sandbox=sandbox, trust_list=trust(tmp_path, signer.anchor))
    assert report.state is ProvenanceState.INVALID
    assert "changed after it was signed" in report.list_sentences()[0]
    assert any("Hash" in problem.code for problem in report.problems)


def test_changed_statement_is_invalid(signed: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "restated.mp4"
    content = signed.read_bytes()
    assert b"digitalCapture" in content
    path.write_bytes(content.replace(b"digitalCapture", b"digitalCaptura"))
    report = read_provenance(path, MP4, sandbox=sandbox)
    assert report.state is ProvenanceState.INVALID


def test_copy_without_encoding_has_none(signed: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    copy = remux(signed, tmp_path / "copy.mp4")
    assert read_provenance(copy, MP4, sandbox=sandbox).state is ProvenanceState.NONE


def test_statement_of_generative_ai_is_reported(
    unsigned: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = sign(unsigned, tmp_path / "generated.mp4", make_signer(), is_generative=True)
    report = read_provenance(path, MP4, sandbox=sandbox)
    assert report.is_generative
    assert "states that generative AI created" in report.list_sentences()[1]


def test_texts_of_the_signer_are_clipped_and_on_one_line(
    unsigned: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    actions = [{"action": f"c2pa.edited.{number}"} for number in range(200)]
    title = "A\nB\u202e" + "x" * 5000
    path = sign(unsigned, tmp_path / "long.mp4", make_signer(), title=title, more_actions=actions)
    report = read_provenance(path, MP4, sandbox=sandbox)
    assert report.title.startswith("A B ")
    assert len(report.title) == 200
    assert len(report.actions) == 50
    assert report.is_shortened


def test_credentials_on_a_server_are_not_fetched(
    unsigned: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/manifest.c2pa"
        path = sign(unsigned, tmp_path / "remote.mp4", make_signer(), remote_url=url)
        assert url.encode() in path.read_bytes()
        report = read_provenance(path, MP4, sandbox=Sandbox())
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert report.state is ProvenanceState.UNSUPPORTED
    assert asked == []


def test_containers_without_a_place_for_credentials_are_unsupported(
    unsigned: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    film = remux(unsigned, tmp_path / "film.mkv")
    report = read_provenance(film, SourceFormat.MATROSKA, sandbox=sandbox)
    assert report.state is ProvenanceState.UNSUPPORTED


def test_truncated_and_garbled_files_never_raise(
    signed: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    content = signed.read_bytes()
    path = tmp_path / "broken.mp4"
    for broken in (
        b"",
        content[:40],
        content[: len(content) // 2],
        content[:3000] + b"\xff" * 9000,
    ):
        path.write_bytes(broken)
        report = read_provenance(path, MP4, sandbox=sandbox)
        assert report.state in {
            ProvenanceState.FAILED,
            ProvenanceState.INVALID,
            ProvenanceState.NONE,
        }


def test_report_survives_json(signed: Path, sandbox: Sandbox) -> None:
    report = read_provenance(signed, MP4, sandbox=sandbox)
    assert ProvenanceReport.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_missing_reader_is_not_checked_and_names_the_command(
    signed: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "find_spec", lambda _name: None)
    report = read_provenance(signed, MP4, sandbox=sandbox)
    assert report.state is ProvenanceState.NOT_CHECKED
    assert "pip install 'cinemill[provenance]'" in report.list_sentences()[0]


def test_reading_stops_when_the_step_must_stop(signed: Path, sandbox: Sandbox) -> None:
    with pytest.raises(JobCancelled):
        read_provenance(signed, MP4, sandbox=sandbox, should_stop=lambda: JobCancelled("cancelled"))


def test_reading_needs_only_the_file_behind_the_sandbox(
    signed: Path, isolated_sandbox: Sandbox
) -> None:
    report = read_provenance(signed, MP4, sandbox=isolated_sandbox, trust_list=NO_TRUST_LIST)
    assert report.state is ProvenanceState.UNTRUSTED_SIGNER


def test_worker_never_loads_the_native_reader() -> None:
    import subprocess

    script = "import sys, cinemill.steps.provenance; sys.exit('c2pa' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
