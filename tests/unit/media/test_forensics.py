"""Encoder forensics on packet tables that are made up here: what is found, and what is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.origin.forensics import (
    FindingCode,
    FindingStrength,
    ForensicsReport,
    ForensicsState,
)
from cinemill.media.forensics.bitstream import BitstreamReader, EncoderNote
from cinemill.media.forensics.declared import (
    DeclaredFacts,
    check_settings,
    compare_declared,
    describe_origin,
    read_number,
)
from cinemill.media.forensics.earlier_encoding import find_beat, find_earlier_encoding, gamma_tail
from cinemill.media.forensics.encoders import find_encoder, read_encoder, read_header_tags
from cinemill.media.forensics.examine import examine_packets
from cinemill.media.forensics.packet_table import PacketTable
from cinemill.media.forensics.structure import (
    find_configuration_changes,
    find_joins,
    find_key_frames_off_beat,
    find_structure_changes,
)
from cinemill.media.forensics.timing import find_time_breaks, measure_cadence

X264 = "x264 - core 164 r3108 - H.264/MPEG-4 AVC codec - options: cabac=1 keyint=250 bframes=3"


def make_table(
    frames: int = 300,
    *,
    keys: Sequence[int] = (0,),
    rate: int = 25,
    seed: int = 1,
    codec: str = "h264",
) -> PacketTable:
    random = np.random.default_rng(seed)
    is_key = np.zeros(frames, dtype=bool)
    is_key[list(keys)] = True
    sizes = np.rint(random.lognormal(7.0, 0.3, frames)).astype(np.int64)
    sizes[is_key] *= 8
    times = np.arange(frames) / rate
    return PacketTable(
        codec, times, np.zeros(frames), sizes, is_key, Fraction(1, 12800), is_whole=True
    )


def reorder(table: PacketTable, start: int, end: int) -> PacketTable:
    """Store frames from ``start`` to ``end`` as I B P: each pair swapped."""
    times = table.times.copy()
    for at in range(start + 1, end - 1, 2):
        times[[at, at + 1]] = times[[at + 1, at]]
    return replace(table, times=times)


def with_beat(table: PacketTable, beat: int, factor: float) -> PacketTable:
    sizes = table.sizes.copy()
    sizes[beat::beat] = (sizes[beat::beat] * factor).astype(np.int64)
    return replace(table, sizes=sizes)


def codes(findings: Sequence[object]) -> list[FindingCode]:
    return [finding.code for finding in findings]  # type: ignore[attr-defined]


def test_beat_of_an_earlier_encoding_is_found_with_its_length() -> None:
    table = with_beat(make_table(), 24, 4.0)
    (finding,) = find_earlier_encoding(table)
    assert finding.code is FindingCode.ENCODED_AGAIN
    assert finding.strength is FindingStrength.STRONG
    assert finding.facts["beat_frames"] == 24
    assert finding.time_ms is not None


def test_no_beat_is_found_where_sizes_are_random() -> None:
    """The stated probability holds: of many videos without a beat, about that share shows one."""
    chances = [beat.chance for seed in range(150) if (beat := find_beat(make_table(seed=seed)))]
    assert len(chances) == 150
    for stated in (0.5, 0.1, 0.01):
        assert np.mean(np.array(chances) < stated) <= stated * 1.3


def test_own_key_frames_are_no_earlier_encoding() -> None:
    table = make_table(keys=range(0, 300, 30))
    sizes = table.sizes.copy()
    sizes[5::30] *= 4  # the encoder's own pattern after a key frame
    assert find_earlier_encoding(replace(table, sizes=sizes)) == []


def test_pattern_of_few_frames_is_the_encoders_own() -> None:
    assert find_earlier_encoding(with_beat(make_table(), 4, 3.0)) == []


@pytest.mark.parametrize(("frames", "codec"), [(40, "h264"), (300, "vp9"), (300, "av1")])
def test_short_videos_and_other_codecs_are_not_examined(frames: int, codec: str) -> None:
    table = with_beat(make_table(frames, codec=codec), 12, 9.0)
    assert find_earlier_encoding(table) == []
    report = examine_packets(table, DeclaredFacts())
    assert any("earlier encoding" in sentence for sentence in report.not_examined)


@given(st.integers(1, 12), st.floats(0.01, 60))
def test_gamma_tail_is_a_probability_that_falls(shape: int, value: float) -> None:
    assert 0 <= gamma_tail(shape, value + 1) <= gamma_tail(shape, value) <= 1
    assert gamma_tail(shape + 1, value) >= gamma_tail(shape, value)


def test_gamma_tail_agrees_with_a_simulation() -> None:
    sums = np.random.default_rng(2).exponential(size=(200_000, 4)).sum(axis=1)
    assert gamma_tail(4, 7.0) == pytest.approx(float((sums > 7.0).mean()), rel=0.03)


def test_join_is_where_the_encoder_introduces_itself_again() -> None:
    notes = (EncoderNote(0, X264), EncoderNote(100, X264))
    table = replace(make_table(keys=(0, 50, 100, 150, 200, 250)), notes=notes)
    (finding,) = find_joins(table)
    assert (finding.code, finding.strength) == (FindingCode.JOINED, FindingStrength.STRONG)
    assert finding.time_ms == 4000


def test_encoder_that_names_itself_at_every_key_frame_shows_no_join() -> None:
    keys = range(0, 300, 50)
    notes = tuple(EncoderNote(key, X264) for key in keys)
    assert find_joins(replace(make_table(keys=keys), notes=notes)) == []


def test_configuration_change_is_reported_once_for_each_place() -> None:
    same = ((0, "a"), (50, "a"), (100, "a"))
    assert find_configuration_changes(replace(make_table(), configurations=same)) == []
    changed = ((0, "a"), (50, "b"), (100, "b"))
    (finding,) = find_configuration_changes(replace(make_table(), configurations=changed))
    assert finding.time_ms == 2000


def test_key_frame_off_the_beat_is_weak_unless_the_encoder_ignores_cuts() -> None:
    keys = [0, 30, 60, 90, 120, 130, 160, 190, 220, 250]
    table = make_table(keys=keys)
    (finding,) = find_key_frames_off_beat(table, None)
    assert (finding.strength, finding.time_ms) == (FindingStrength.WEAK, 5200)
    encoder = read_encoder(X264 + " scenecut=0")
    (finding,) = find_key_frames_off_beat(table, encoder)
    assert finding.strength is FindingStrength.STRONG


@pytest.mark.parametrize(
    "keys",
    [range(0, 300, 30), (0, 17, 80, 95, 160, 220, 230, 260), (0, 250)],
    ids=["steady", "scene cuts", "few"],
)
def test_steady_and_irregular_key_frames_are_ordinary(keys: Sequence[int]) -> None:
    assert find_key_frames_off_beat(make_table(keys=keys), None) == []


def test_structure_change_is_where_reordering_begins_or_ends() -> None:
    table = make_table(keys=(0, 100, 200))
    for start, end, time_ms in ((100, 300, 4000), (0, 100, 4000)):
        changed = reorder(table, start, end)
        (finding,) = find_structure_changes(changed, measure_cadence(changed))
        assert (finding.code, finding.time_ms) == (FindingCode.STRUCTURE_CHANGES, time_ms)
    whole = reorder(table, 0, 300)
    assert find_structure_changes(whole, measure_cadence(whole)) == []
    assert find_structure_changes(table, measure_cadence(table)) == []


def shift(table: PacketTable, packet: int, seconds: float) -> PacketTable:
    times = table.times.copy()
    times[packet:] += seconds
    return replace(table, times=times)


def test_time_breaks_name_their_place_and_kind() -> None:
    table = make_table(keys=(0, 100))
    for packet, seconds, code in (
        (100, 0.021, FindingCode.JOINED),
        (50, 0.4, FindingCode.TIME_GAP),
        (50, -0.03, FindingCode.TIME_OVERLAP),
    ):
        broken = shift(table, packet, seconds)
        (finding,) = find_time_breaks(broken, measure_cadence(broken))
        assert finding.code is code
        assert finding.time_ms == round((packet / 25 + seconds) * 1000)


@given(st.sampled_from([24, 25, 30, 50, 60]), st.sampled_from([1000, 12800, 90000]))
def test_rounded_times_of_a_steady_rate_are_no_breaks(rate: int, ticks: int) -> None:
    table = make_table(rate=rate)
    times = np.rint(np.arange(300) * 1001 / (rate * 1000) * ticks) / ticks
    table = replace(table, times=times, time_base=Fraction(1, ticks))
    cadence = measure_cadence(table)
    assert cadence.is_steady
    assert find_time_breaks(table, cadence) == []


def test_varying_rate_has_no_breaks_to_find() -> None:
    steps = np.random.default_rng(3).choice([0.02, 0.033, 0.05], 299)
    table = replace(make_table(), times=np.concatenate(([0.0], np.cumsum(steps))))
    cadence = measure_cadence(table)
    assert not cadence.is_steady
    assert find_time_breaks(table, cadence) == []


def compare(declared: DeclaredFacts) -> list[FindingCode]:
    table = make_table()
    return codes(compare_declared(declared, table, measure_cadence(table)))


def test_header_that_states_the_truth_has_no_findings() -> None:
    table = make_table()
    bitrate = round(float(table.sizes.sum()) * 8 / 12)
    assert compare(DeclaredFacts(Fraction(25), bitrate, 300, 12.0, 12.1)) == []


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        (DeclaredFacts(stream_rate=Fraction(50)), FindingCode.RATE_DIFFERS),
        (DeclaredFacts(bitrate_bps=8_000_000), FindingCode.BITRATE_DIFFERS),
        (DeclaredFacts(frames=450), FindingCode.COUNT_DIFFERS),
        (DeclaredFacts(video_seconds=12, audio_seconds=9), FindingCode.DURATIONS_DIFFER),
    ],
)
def test_header_that_states_something_else_is_found(
    declared: DeclaredFacts, code: FindingCode
) -> None:
    assert compare(declared) == [code]


def test_settings_that_the_stream_contradicts_are_found() -> None:
    table = reorder(make_table(keys=(0,)), 0, 300)
    (interval,) = check_settings(read_encoder(X264), table)
    assert "250 frames" in interval.sentence
    (reordering,) = check_settings(read_encoder("x264 - core 164 - options: bframes=0"), table)
    assert "B-frames" in reordering.sentence
    assert check_settings(read_encoder("x264 - core 164 - options: keyint=infinite"), table) == []
    assert check_settings(None, table) == []


def test_camera_and_program_together_are_no_original() -> None:
    camera = {"com.apple.quicktime.make": "Apple", "com.apple.quicktime.model": "iPhone 17"}
    assert codes(describe_origin(read_header_tags(camera), None)) == [FindingCode.ENCODER_NAMED]
    edited = read_header_tags({**camera, "encoder": "Lavf60.3.100"})
    findings = describe_origin(edited, None)
    assert codes(findings) == [FindingCode.ENCODER_NAMED, FindingCode.REWRITTEN]
    assert "Apple iPhone 17" in findings[1].sentence
    table = replace(make_table(), notes=(EncoderNote(0, X264),))
    findings = describe_origin(read_header_tags(camera), find_encoder(table))
    assert codes(findings)[-1] is FindingCode.REWRITTEN


def test_statistics_tags_are_read_by_name_and_language() -> None:
    assert read_number({"BPS-eng": "1234"}, "BPS") == 1234
    assert read_number({"BPS": "12.5", "NUMBER_OF_FRAMES": "x"}, "BPS", "NUMBER_OF_FRAMES") is None


def read_units(codec: str, data: bytes, length_bytes: int = 0) -> BitstreamReader:
    reader = BitstreamReader(codec, length_bytes)
    reader.read(7, data)
    return reader


def test_notes_and_configurations_are_read_from_both_layouts() -> None:
    text = b"\x00" * 16 + X264.encode() + b"\x00"
    sei = b"\x06\x05" + b"\xff" * (len(text) // 255) + bytes([len(text) % 255]) + text + b"\x80"
    sps = b"\x67\x64\x00\x1f\xac"
    coded = b"\x00\x00\x00\x01" + sps + b"\x00\x00\x01" + sei
    prefixed = b"".join(len(unit).to_bytes(4) + unit for unit in (sps, sei))
    for reader in (read_units("h264", coded), read_units("h264", prefixed, 4)):
        assert reader.notes == [EncoderNote(7, X264)]
        ((packet, digest),) = reader.configurations
        assert packet == 7
        assert digest


@given(
    st.sampled_from(["h264", "hevc", "mpeg4", "mpeg2video"]),
    st.sampled_from([0, 1, 2, 4]),
    st.binary(max_size=600),
)
def test_bitstream_reader_takes_any_bytes(codec: str, length_bytes: int, data: bytes) -> None:
    reader = read_units(codec, data, length_bytes)
    assert all(note.text.isprintable() for note in reader.notes)
    assert len(reader.notes) + len(reader.configurations) <= len(data)


def test_report_survives_json_and_lists_the_strongest_first() -> None:
    notes = (EncoderNote(0, X264), EncoderNote(100, X264))
    table = replace(make_table(keys=(0, 50, 100, 150, 200, 250)), notes=notes)
    report = examine_packets(table, DeclaredFacts(frames=900), hides_frames=True)
    assert report.state is ForensicsState.EXAMINED
    strengths = [list(FindingStrength).index(finding.strength) for finding in report.findings]
    assert strengths == sorted(strengths, reverse=True)
    assert len(set(strengths)) == 3
    assert ForensicsReport.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_video_without_frames_fails() -> None:
    report = examine_packets(make_table(0, keys=()), DeclaredFacts())
    assert report.state is ForensicsState.FAILED
