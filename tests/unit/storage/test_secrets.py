"""A secret is worth 128 bits or it is none, whatever the file that should hold it looks like."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.errors import SecretUnusable
from cinemill.storage.secrets import (
    LARGEST_FILE_BYTES,
    find_weakness,
    is_open_to_others,
    read_or_make_secret,
    read_secret,
)

SOUND = secrets.token_urlsafe(32)
CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "a line end": b"\n",
    "spaces": b" \t\r\n  ",
    "one character": b"x",
    "a word": b"correct-horse",
    "truncated": SOUND.encode()[:10],
    "one bit too short": SOUND.encode()[:21],
    "short hexadecimal": b"0123456789abcdef01234567",
    "short digits": b"31415926535897932384626433",
    "one key held down": b"a" * 64,
    "zeroes of a lost write": b"\x00" * 43,
    "not ASCII": "ü".encode() * 40,
    "not text": bytes(range(128, 200)),
    "two lines": f"{SOUND}\n{SOUND}\n".encode(),
    "an empty line first": f"\n{SOUND}\n".encode(),
    "spaces inside": SOUND[:20].encode() + b" " + SOUND[20:].encode(),
    "far too much": SOUND.encode() * 1000,
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_file_without_a_secret_is_refused_by_name_and_left_as_it_is(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(SecretUnusable) as caught:
        read_or_make_secret(path)
    assert str(path) in caught.value.message
    assert "Delete the file" in caught.value.hint
    assert path.read_bytes() == content


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


PLACES: dict[str, Callable[[Path], None]] = {
    "a folder": Path.mkdir,
    "a link to itself": make_loop,
    "a link to nothing": make_dangling,
    "a pipe that nobody writes to": os.mkfifo,
    "a device that never ends": make_device,
}


@pytest.mark.parametrize("make", PLACES.values(), ids=PLACES.keys())
def test_secret_that_is_not_a_regular_file_is_rejected_without_blocking(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "token"
    make(path)
    with pytest.raises(SecretUnusable, match="token"):
        read_or_make_secret(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(SOUND)
    path.chmod(0)
    with pytest.raises(SecretUnusable, match="Permission denied"):
        read_secret(path)


@pytest.mark.parametrize(
    "secret",
    [
        SOUND,
        secrets.token_urlsafe(16),
        secrets.token_hex(16),
        base64.b64encode(secrets.token_bytes(16)).decode(),
    ],
    # Each process that runs tests draws its own: their names must not differ.
    ids=["URL-safe, 256 bits", "URL-safe, 128 bits", "hexadecimal", "Base64"],
)
def test_sound_secret_is_read_however_it_was_made(tmp_path: Path, secret: str) -> None:
    path = tmp_path / "token"
    path.write_text(f"{secret}\r\n")
    assert read_or_make_secret(path) == secret


def test_concurrent_creators_agree_on_one_secret(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(read_or_make_secret, [path] * 32))
    assert len(made) == 1
    assert find_weakness(made.pop()) is None
    assert not is_open_to_others(path)


@given(st.binary(max_size=LARGEST_FILE_BYTES + 2))
def test_accepted_secret_is_never_weak(content: bytes) -> None:
    text = content.decode("latin-1")
    if find_weakness(text) is None:
        assert text.isascii()
        assert len(text) >= 22


@pytest.mark.parametrize(
    "secret", ["changeme-changeme-changeme", "12345678" * 5, "0123456789abcdef" * 8]
)
def test_repeated_word_is_no_secret(secret: str) -> None:
    assert find_weakness(secret) is not None


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGH012345-_", max_size=21), st.integers(2, 50))
def test_repetition_adds_no_bits_to_a_secret(word: str, times: int) -> None:
    assert find_weakness(word * times) is not None


def test_file_that_others_may_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(SOUND)
    path.chmod(0o644)
    assert is_open_to_others(path)
    assert not is_open_to_others(tmp_path / "missing")
