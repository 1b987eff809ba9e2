"""What is said of a file that is no video depends on what it is."""

from __future__ import annotations

import pytest

from cinemill.errors import MediaRejected
from cinemill.media.probe.sniff import sniff
from cinemill.media.rejections import REJECTION_CODES, REJECTION_HINTS, reject_media

HEADS = {
    "archive": b"PK\x03\x04\x14\x00\x00\x00",
    "audio": b"wvpk\x24\x00\x00\x00",
    "MIDI": b"MThd\x00\x00\x00\x06",
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3",
    "program": b"\x7fELF\x02\x01\x01\x00",
    "zeros": bytes(4096),
    "web page": b"\xef\xbb\xbf\n<!DOCTYPE html><title>404</title>",
    "text": "this is a letter, not a film: für dich".encode()[:-5],
}


def refuse(head: bytes) -> MediaRejected:
    with pytest.raises(MediaRejected) as refused:
        sniff(head)
    return refused.value


@pytest.mark.parametrize("what", HEADS)
def test_hint_names_what_the_file_is(what: str) -> None:
    refused = refuse(HEADS[what])
    assert refused.code == "media_unrecognized"
    assert refused.message == REJECTION_CODES["media_unrecognized"]
    assert what in refused.hint


@pytest.mark.parametrize("head", ["Hellö".encode("utf-16"), "für".encode() + b"\xc3", b"a\tb\n"])
def test_text_is_known_in_any_usual_encoding(head: bytes) -> None:
    assert "text" in refuse(head).hint


def test_noise_has_the_hint_of_all_unknown_files() -> None:
    assert refuse(b"\x01\x02\x03\x04\xf0\xf1").hint == REJECTION_HINTS["media_unrecognized"]


def test_empty_file_text_and_damage_have_hints_of_their_own() -> None:
    hints = {
        refuse(b"").hint,
        refuse(HEADS["text"]).hint,
        refuse(b"#EXTM3U\n").hint,
        reject_media("media_damaged").hint,
        reject_media("media_truncated").hint,
        reject_media("media_unreadable").hint,
    }
    assert len(hints) == 6
    assert not any("plays in a video player, then export" in hint for hint in hints)


def test_hints_are_of_known_codes() -> None:
    assert REJECTION_HINTS.keys() <= REJECTION_CODES.keys()
