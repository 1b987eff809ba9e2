"""The trust list: which files are accepted, and with which sentence others are rejected."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.credentials import make_signer

from cinemill.errors import InputRejected
from cinemill.media.provenance.trust_list import LARGEST_BYTES, NO_TRUST_LIST, read_trust_list


def test_no_file_is_no_trust_list() -> None:
    assert read_trust_list(None) is NO_TRUST_LIST
    assert NO_TRUST_LIST.fingerprint == ""


def test_certificates_are_read_and_text_around_them_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "anchors.pem"
    one, other = make_signer("One").anchor, make_signer("Other").anchor
    path.write_text(f"# our own\n{one}\nand\n{other}")
    trust_list = read_trust_list(path)
    assert trust_list.certificates == 2
    assert "our own" not in trust_list.pem
    path.write_text(one)
    assert read_trust_list(path).fingerprint != trust_list.fingerprint


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged"),
        (b"x" * (LARGEST_BYTES + 1), "larger"),
        (b"\xff\xfe\x00", "no certificate"),
    ],
)
def test_other_files_are_rejected_with_the_reason(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "anchors.pem"
    path.write_bytes(content)
    with pytest.raises(InputRejected, match=why) as rejected:
        read_trust_list(path)
    assert rejected.value.code == "trust_list_invalid"


def test_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="cannot be read"):
        read_trust_list(tmp_path / "none.pem")
