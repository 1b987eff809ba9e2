"""What an unreadable file seems to be, by its first bytes, and what can be done about it."""

from __future__ import annotations

_CONTROLS = frozenset(range(0x20)) - {0x07, 0x08, 0x09, 0x0A, 0x0C, 0x0D, 0x1B}
_WEB_STARTS = (b"<!doctype html", b"<html", b"<head", b"<?php")
_KINDS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    (
        (b"PK\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\xfd7zXZ\x00", b"BZh"),
        "It is an archive: unpack it, and send the video in it.",
    ),
    (
        (b"MAC ", b"wvpk", b"TTA1", b"DSD ", b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80"),
        "It is audio of a kind that is not supported: convert it to FLAC, M4A or MP3.",
    ),
    ((b"MThd",), "It is a score (MIDI): send a recording of it."),
    ((b"%PDF",), "It is a PDF document: check that it is the right file."),
    ((b"\x7fELF",), "It is a program: check that it is the right file."),
)


def find_hint(head: bytes) -> str:
    """Return a hint for a file that begins with these bytes; empty if nothing is known of it."""
    for starts, hint in _KINDS:
        if head.startswith(starts):
            return hint
    if not head.strip(b"\x00"):
        return "It holds nothing but zeros: its download or copy was not finished. Copy it again."
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_WEB_STARTS):
        return "It is a web page that was saved in place of a video: download the video itself."
    if _is_text(head):
        return "It is text: check that it is the right file."
    return ""


def _is_text(head: bytes) -> bool:
    """Return whether it is UTF-8, or UTF-16 with its mark; a character may be cut at the end."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if _CONTROLS & set(head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4
    return True
