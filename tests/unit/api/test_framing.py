"""Requests are cut into the same pieces wherever the network cuts them, and never kept too long."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.api.http.framing import (
    MAX_BLANK_LINES,
    MAX_CHUNK_LINE_BYTES,
    MAX_HEAD_BYTES,
    Framing,
    FramingError,
    HeadTooLarge,
    Part,
    Piece,
)

HEAD = b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\n\r\n"


def cut_all(data: bytes, cuts: list[int], length_bytes: int | None) -> list[Piece]:
    """One request's pieces; stretches of a body are joined, as where they are cut is free."""
    framing = Framing()
    pieces: list[Piece] = []
    for start, end in pairwise([0, *sorted(cuts), len(data)]):
        block, at = data[start:end], 0
        while at < len(block):
            piece, at = framing.cut(block, at)
            if piece is not None:
                _tell(framing, piece, length_bytes)
                _append(pieces, piece)
    return pieces


def _tell(framing: Framing, piece: Piece, length_bytes: int | None) -> None:
    """What the parser would find out."""
    is_blank = piece.data == b"\r\n"
    if piece.part is Part.HEAD and is_blank and length_bytes != 0:
        framing.begin_body(length_bytes=length_bytes)
    elif (piece.part is Part.TRAILER and is_blank) or (
        piece.part is Part.BODY and framing.remaining_bytes == 0
    ):
        framing.end_message()


def _append(pieces: list[Piece], piece: Piece) -> None:
    is_data = piece.part in (Part.BODY, Part.CHUNK_DATA)
    if is_data and pieces and pieces[-1].part is piece.part:
        pieces[-1] = Piece(piece.part, pieces[-1].data + piece.data)
    else:
        pieces.append(piece)


@st.composite
def chunked_bodies(draw: st.DrawFn) -> bytes:
    body = b""
    for content in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5)):
        extension = draw(st.sampled_from([b"", b";a=b", b';a="c d"']))
        body += b"%x%s\r\n%s\r\n" % (len(content), extension, content)
    return body + b"0\r\n" + draw(st.sampled_from([b"", b"X-Sum: 1\r\n"])) + b"\r\n"


@given(st.data())
def test_request_is_cut_alike_wherever_the_network_cuts_it(data: st.DataObject) -> None:
    is_chunked = data.draw(st.booleans())
    body = data.draw(chunked_bodies() if is_chunked else st.binary(max_size=80))
    request = HEAD + body
    length_bytes = None if is_chunked else len(body)
    cuts = data.draw(st.lists(st.integers(0, len(request)), max_size=12))
    pieces = cut_all(request, cuts, length_bytes)
    assert pieces == cut_all(request, [], length_bytes)
    assert b"".join(piece.data for piece in pieces) == request


@given(st.lists(st.binary(min_size=1, max_size=3000), max_size=60))
def test_whatever_comes_is_cut_or_refused_and_little_is_kept(blocks: list[bytes]) -> None:
    framing, fed = Framing(), 0
    try:
        for block in blocks:
            at = 0
            while at < len(block):
                piece, at = framing.cut(block, at)
                fed += len(piece.data) if piece is not None else 0
            assert len(framing._line) <= MAX_HEAD_BYTES
    except FramingError:
        return
    assert fed + len(framing._line) == sum(map(len, blocks))


def test_head_ends_at_its_limit() -> None:
    framing = Framing()
    start = b"GET / HTTP/1.1\r\n"
    framing.cut(start, 0)
    framing.cut(b"a" * (MAX_HEAD_BYTES - len(start)), 0)
    with pytest.raises(HeadTooLarge):
        framing.cut(b"a", 0)


def test_trailers_count_with_the_head() -> None:
    framing = Framing()
    framing.cut(b"P" * 60_000 + b"\n", 0)
    framing.begin_body(length_bytes=None)
    framing.cut(b"0\r\n", 0)
    with pytest.raises(HeadTooLarge):
        framing.cut(b"X" * 6000, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"\r\n",
        b";a\r\n",
        b"+1\r\n",
        b"1_0\r\n",
        b" 1\r\n",
        b"0x1\r\n",
        b"g\r\n",
        b"0" * 17 + b"\r\n",
    ],
)
def test_size_of_a_chunk_is_hexadecimal_and_nothing_else(line: bytes) -> None:
    framing = Framing()
    framing.begin_body(length_bytes=None)
    with pytest.raises(FramingError):
        framing.cut(line, 0)


def test_line_of_a_chunk_ends_at_its_limit() -> None:
    framing = Framing()
    framing.begin_body(length_bytes=None)
    framing.cut(b"1;" + b"a" * (MAX_CHUNK_LINE_BYTES - 2), 0)
    with pytest.raises(FramingError):
        framing.cut(b"a", 0)


def test_another_protocol_is_known_by_its_first_byte() -> None:
    with pytest.raises(FramingError):
        Framing().cut(b"\x16\x03\x01", 0)


def test_few_blank_lines_before_a_request_do_not_begin_it() -> None:
    framing = Framing()
    for _ in range(MAX_BLANK_LINES):
        framing.cut(b"\r", 0)
        framing.cut(b"\n", 0)
        assert framing.is_idle
    with pytest.raises(HeadTooLarge):
        framing.cut(b"\r\n", 0)


def test_blank_line_within_a_head_counts() -> None:
    framing = Framing()
    framing.cut(b"GET / HTTP/1.1\r\n", 0)
    framing.cut(b"\r\n", 0)
    assert not framing.is_idle
