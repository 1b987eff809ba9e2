"""An entry of a cache is read only if every byte is as it was written, under its own key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.storage.cache.entries import (
    ITEM_BYTES,
    Entry,
    EntryDamaged,
    Section,
    decode_entry,
    encode_entry,
)

ENTRY = Entry(
    "key",
    ("clip", "resnet50"),
    {
        "clip/pooled": Section("float16", (2, 3), bytes(range(12))),
        "pts": Section("int64", (2,), bytes(range(16))),
        "#facts": Section("bytes", (2,), b"{}"),
    },
)
DATA = encode_entry(ENTRY)

shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)


@st.composite
def sections(draw: st.DrawFn) -> Section:
    kind, shape = draw(st.sampled_from(sorted(ITEM_BYTES))), draw(shapes)
    size = Section(kind, shape, b"").expected_bytes
    return Section(kind, shape, draw(st.binary(min_size=size, max_size=size)))


names = st.text(max_size=20)
entries = st.builds(
    Entry,
    names,
    st.lists(names, max_size=4).map(tuple),
    st.dictionaries(names, sections(), max_size=5),
)


@given(entries)
def test_any_entry_comes_back_as_it_was(entry: Entry) -> None:
    data = encode_entry(entry)
    found = decode_entry(entry.key, data)
    assert found == entry


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found(place: int, change: int) -> None:
    damaged = bytearray(DATA)
    damaged[place] ^= change
    with pytest.raises(EntryDamaged):
        decode_entry("key", bytes(damaged))


def test_truncated_entry_is_found_wherever_it_ends() -> None:
    for length in range(len(DATA)):
        with pytest.raises(EntryDamaged):
            decode_entry("key", DATA[:length])


@given(st.binary(min_size=1, max_size=40))
def test_entry_with_an_appendix_is_found(appendix: bytes) -> None:
    with pytest.raises(EntryDamaged):
        decode_entry("key", DATA + appendix)


@given(st.binary(max_size=400))
def test_any_other_bytes_are_no_entry(data: bytes) -> None:
    with pytest.raises(EntryDamaged):
        decode_entry("key", data)


@given(st.binary(max_size=400))
def test_any_bytes_after_a_right_beginning_are_no_entry(data: bytes) -> None:
    with pytest.raises(EntryDamaged):
        decode_entry("key", DATA[:20] + data)


@given(st.text().filter(lambda key: key != "key"))
def test_entry_under_another_key_is_found(key: str) -> None:
    with pytest.raises(EntryDamaged, match="another key"):
        decode_entry(key, DATA)


def test_numbers_begin_at_a_multiple_of_their_size() -> None:
    body = len(DATA) - sum(len(section.data) for section in ENTRY.sections.values())
    assert body % 8 == 0


def test_section_whose_data_do_not_fit_its_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="pooled"):
        encode_entry(Entry("key", (), {"pooled": Section("float16", (2, 2), b"1234567")}))


def test_entry_with_a_huge_head_is_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        encode_entry(Entry("key", ("m" * 20_000,)))
