"""Multipart forms are read however they are cut, and refused when they are not forms."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinemill.api.upload.multipart import (
    MAX_PARTS,
    FormEvent,
    FormInvalid,
    MultipartReader,
    PartBegin,
    PartData,
    PartEnd,
    parse_boundary,
)

BOUNDARY = b"----form-boundary"


def part(disposition: str, content: bytes) -> bytes:
    head = f"Content-Disposition: form-data; {disposition}\r\nContent-Type: video/mp4\r\n\r\n"
    return b"--" + BOUNDARY + b"\r\n" + head.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


def read(body: bytes, *cuts: int) -> tuple[list[FormEvent], MultipartReader]:
    reader = MultipartReader(BOUNDARY)
    edges = [0, *sorted(cuts), len(body)]
    pieces = [body[start:end] for start, end in pairwise(edges)]
    return [event for piece in pieces for event in reader.feed(piece)], reader


def content_of(events: list[FormEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, PartData))


@settings(max_examples=200)
@given(st.data())
def test_file_comes_out_as_it_went_in_wherever_the_network_cuts(data: st.DataObject) -> None:
    # Content that is made of pieces of boundaries is what a parser is most easily fooled by.
    shard = st.sampled_from([b"\r\n", b"\r", b"--", b"\r\n--", BOUNDARY[:7], b"film", b"\x00"])
    content = b"".join(data.draw(st.lists(shard, max_size=30)))
    content = content.replace(b"\r\n--" + BOUNDARY, b"")
    body = form(part('name="file"; filename="film.mp4"', content))
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    events, reader = read(body, *cuts)
    assert content_of(events) == content
    assert reader.is_complete
    assert [type(event) for event in events if not isinstance(event, PartData)] == [
        PartBegin,
        PartEnd,
    ]


def test_piece_inside_of_a_file_is_passed_on_uncopied() -> None:
    reader = MultipartReader(BOUNDARY)
    reader.feed(part('name="file"; filename="film.mp4"', b"")[:-2])
    piece = b"x" * 65536
    (event,) = reader.feed(piece)
    assert isinstance(event, PartData)
    assert event.data is piece


def test_fields_and_files_are_told_apart() -> None:
    events, _ = read(form(part('name="priority"', b"7"), part('name="file"; filename=""', b"")))
    begins = [event for event in events if isinstance(event, PartBegin)]
    assert begins == [PartBegin("priority", None), PartBegin("file", "")]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('filename="film.mp4"', "film.mp4"),
        ('filename="a;b=c.mp4"', "a;b=c.mp4"),
        ('filename="Müller 🎬.mp4"', "Müller 🎬.mp4"),
        ('filename="say %22cut%22.mp4"', 'say "cut".mp4'),
        ('filename="say \\"cut\\".mp4"', 'say "cut".mp4'),
        ('filename="two%0D%0Alines.mp4"', "two\r\nlines.mp4"),
    ],
)
def test_names_are_read_as_browsers_and_curl_write_them(written: str, meant: str) -> None:
    events, _ = read(form(part(f'name="file"; {written}', b"")))
    assert events[0] == PartBegin("file", meant)


def test_form_without_its_end_is_not_complete() -> None:
    body = form(part('name="file"; filename="film.mp4"', b"half a film"))
    _, reader = read(body[:-10])
    assert not reader.is_complete


@pytest.mark.parametrize(
    "body",
    [
        b"this is no form at all",
        part("filename=film", b"a part without a name"),
        b"--" + BOUNDARY + b"\r\nno colon in this header\r\n\r\n\r\n",
        b"--" + BOUNDARY + b"\r\nX: " + b"y" * 10_000 + b"\r\n\r\n",
        form(*[part(f'name="field{number}"', b"") for number in range(MAX_PARTS + 1)]),
    ],
    ids=["no form", "no name", "bad header", "endless header", "too many parts"],
)
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(FormInvalid) as refused:
        read(body)
    assert refused.value.http_status == 400


@given(st.binary(max_size=300))
def test_no_bytes_do_worse_than_a_refusal(body: bytes) -> None:
    with suppress(FormInvalid):
        read(b"--" + BOUNDARY + b"\r\n" + body)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("", 415),
        ("application/json", 415),
        ("video/mp4", 415),
        ("multipart/mixed; boundary=x", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ('multipart/form-data; boundary=""', 400),
    ],
)
def test_other_bodies_are_refused_by_their_type(content_type: str, status: int) -> None:
    with pytest.raises(FormInvalid) as refused:
        parse_boundary(content_type)
    assert refused.value.http_status == status


def test_boundary_may_be_quoted() -> None:
    assert parse_boundary('Multipart/Form-Data; charset=utf-8; boundary="a b"') == b"a b"


def test_endless_boundary_is_refused() -> None:
    with pytest.raises(FormInvalid):
        MultipartReader(b"x" * 1000)
