"""Images, videos and audio overlaid on a timeline, by the real FFmpeg."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests import films
from tests.integration.media.editing import FADE, Bench, edit, make_numbered, read_sound

from cinemill.capabilities.render.audio.audio_mix import LIMITER, RAW_FORMAT
from cinemill.capabilities.render.timeline.pieces import (
    MOST_OVERLAYS,
    SAMPLE_RATE_HZ,
    split_into_pieces,
)
from cinemill.capabilities.render.timeline.timeline import Clip, Overlay, Sound, Timeline
from cinemill.core.media import MaterialFormat
from cinemill.errors import MediaRejected
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.probe.probe import probe_material

DARK = "lutyuv=y=16:u=128:v=128"


def make_dark(bench: Bench, path: Path, **more: Any) -> Clip:
    film = bench.add(films.make_film(path, filters=DARK, **more))
    return Clip(film, Fraction(0), Fraction(1))


def make_still(path: Path, picture: str = "color=c=white:size=40x20", more: str = "null") -> Path:
    films.run(["-f", "lavfi", "-i", picture, "-vf", more, "-frames:v", "1", str(path)])
    return path


def make_tone(path: Path, *, hertz: int = 880, seconds: float = 2) -> Path:
    films.run(["-f", "lavfi", "-i", f"sine=frequency={hertz}:duration={seconds}", str(path)])
    return path


def lay(source: Any, since: str, until: str, **looks: Any) -> Overlay:
    return Overlay(source, Fraction(since), Fraction(until), "Overlay 0", **looks)


def read_frames(bench: Bench, timeline: Timeline) -> list[Any]:
    path, _ = bench.join(timeline, bench.render(timeline), None)
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="gray") for frame in film.decode(video=0)]


@pytest.mark.parametrize("name", ["logo.png", "logo.jpg", "logo.webp"])
def test_overlaid_still_is_visible_in_its_frames_and_position(
    bench: Bench, tmp_path: Path, name: str
) -> None:
    clip = make_dark(bench, tmp_path / "dark.mp4")
    logo = bench.add_material(make_still(tmp_path / name))
    overlay = lay(logo, "0.4", "0.6", place="bottom-right", size=Fraction(1, 4))
    pictures = read_frames(bench, replace(edit(clip), overlays=(overlay,)))
    lit = [picture > 200 for picture in pictures]
    assert [n for n, one in enumerate(lit) if one.any()] == list(range(10, 15))
    rows, columns = np.nonzero(lit[12])
    assert abs(np.ptp(columns) + 1 - 80) <= 2  # a quarter of 320, half as high
    assert abs(np.ptp(rows) + 1 - 40) <= 2
    assert abs(rows.max() - (180 - 8)) <= 2  # a twentieth of the height from the edge
    assert abs(columns.max() - (320 - 8)) <= 2


def test_overlaid_still_has_its_opacity_and_fades(bench: Bench, tmp_path: Path) -> None:
    clip = make_dark(bench, tmp_path / "dark.mp4")
    half = "format=rgba,colorchannelmixer=aa=0.5"
    logo = bench.add_material(make_still(tmp_path / "half.png", more=half))
    timeline = edit(clip, clip)
    looks = {"opacity": Fraction(1, 2), "fade_in_seconds": Fraction(2, 5)}
    pictures = read_frames(
        bench, replace(timeline, overlays=(lay(logo, "0.8", "2", size=Fraction(1, 2), **looks),))
    )
    light = [int(picture[90, 160]) for picture in pictures]
    assert max(light[:20]) < 8
    assert light[20:31:3] == sorted(light[20:31:3])
    assert all(abs(value - 64) < 8 for value in light[31:])  # a quarter of white


def test_overlaid_video_keeps_its_own_frames(bench: Bench, tmp_path: Path) -> None:
    """Over a cut and from the middle: each frame is the one of its timestamp."""
    clip = make_dark(bench, tmp_path / "dark.mp4")
    numbered = bench.add_material(make_numbered(tmp_path / "n.mkv", extra=["-bf", "3"]))
    over = lay(numbered, "0.6", "1.4", start=Fraction(2, 5), size=Fraction(1, 2), place="left")
    pictures = read_frames(bench, replace(edit(clip, clip), overlays=(over,)))
    values = [float(np.mean(picture[80:100, 60:100])) * 219 / 255 / 4 for picture in pictures]
    shown = [round(value) for value in values]
    assert shown[15:35] == list(range(10, 30))
    assert {*shown[:15], *shown[35:]} == {0}
    assert all(int(picture[90, 300]) < 8 for picture in pictures)


def test_overlay_continues_through_a_transition(bench: Bench, tmp_path: Path) -> None:
    clip = replace(make_dark(bench, tmp_path / "dark.mp4"), transition=FADE)
    logo = bench.add_material(make_still(tmp_path / "logo.png"))
    overlays = (
        lay(logo, "0", "1.6", place="top"),
        lay(
            bench.add_material(make_still(tmp_path / "b.png", "color=c=black:size=40x40")), "1", "2"
        ),
    )
    overlays = (overlays[0], replace(overlays[1], size=Fraction(1, 4)))
    pictures = read_frames(bench, replace(edit(clip, clip), overlays=overlays))
    assert all(int(picture[90, 20]) > 240 for picture in pictures)
    assert [int(picture[90, 160]) > 240 for picture in pictures] == [True] * 25 + [False] * 15


def test_many_overlays_are_visible_though_each_piece_has_few(bench: Bench, tmp_path: Path) -> None:
    clip = make_dark(bench, tmp_path / "dark.mp4")
    logo = bench.add_material(make_still(tmp_path / "logo.png"))
    overlays = [lay(logo, f"{n * 2}/25", f"{n * 2 + 1}/25") for n in range(12)]
    timeline = replace(edit(clip), overlays=tuple(overlays))
    assert len(overlays) > MOST_OVERLAYS
    assert len(split_into_pieces(timeline)) == 2
    lit = [int(picture[90, 160]) > 240 for picture in read_frames(bench, timeline)]
    assert lit == [True, False] * 12 + [False]


@pytest.mark.parametrize("name", ["tone.mp3", "tone.flac", "tone.m4a"])
def test_overlaid_audio_plays_at_its_position(bench: Bench, tmp_path: Path, name: str) -> None:
    clip = make_dark(bench, tmp_path / "dark.mp4", has_sound=False)
    tone = bench.add_material(make_tone(tmp_path / name))
    sound = Sound(tone, Fraction(2, 5), Fraction(6, 5), "Sound 0", start=Fraction(1, 2))
    mixed = bench.mix(replace(edit(clip, clip), sounds=(sound,)))
    assert mixed is not None
    audible = np.flatnonzero(np.abs(read_sound(mixed)) > 0.02) / SAMPLE_RATE_HZ
    assert audible.min() == pytest.approx(0.4, abs=0.03)
    assert audible.max() == pytest.approx(1.2, abs=0.03)


def test_overlaid_audio_is_mixed_with_the_clips_and_fades(bench: Bench, tmp_path: Path) -> None:
    """There are more than one command takes, each in its own window of the audio."""
    film = Clip(bench.add(films.make_film(tmp_path / "a.mp4", seconds=4)), Fraction(0), Fraction(4))
    high = bench.add_material(make_tone(tmp_path / "high.wav", hertz=2000, seconds=4))
    short = [
        Sound(
            high, Fraction(n, 5), Fraction(n, 5) + Fraction(1, 10), f"Sound {n}", volume=Fraction(2)
        )
        for n in range(5, 19)
    ]
    long = Sound(
        high,
        Fraction(0),
        Fraction(4),
        "Sound 0",
        volume=Fraction(1, 2),
        fade_in_seconds=Fraction(1),
    )
    plain = bench.mix(edit(film))
    assert plain is not None
    base = read_sound(plain)
    mixed = bench.mix(replace(edit(film), sounds=(long, *short)))
    assert mixed is not None
    audible = read_sound(mixed)
    assert len(audible) == len(base)
    added = np.abs(audible - base)

    def loudness(since: float) -> float:
        at = int(since * SAMPLE_RATE_HZ)
        return float(added[at : at + SAMPLE_RATE_HZ // 25].max())

    assert loudness(0.02) < 0.02 < loudness(0.5) < loudness(0.9)
    loud, soft = ([loudness(n / 5 + off) for n in range(6, 18)] for off in (0.03, 0.13))
    assert min(loud) > 3 * max(soft)
    assert max(soft) == pytest.approx(min(soft), rel=0.2)


def test_overlaid_audio_that_is_shorter_ends_in_silence(bench: Bench, tmp_path: Path) -> None:
    clip = make_dark(bench, tmp_path / "dark.mp4", has_sound=False)
    tone = bench.add_material(make_tone(tmp_path / "tone.mp3", seconds=0.5))
    mixed = bench.mix(replace(edit(clip), sounds=(Sound(tone, Fraction(0), Fraction(1), "S"),)))
    assert mixed is not None
    audible = np.abs(read_sound(mixed))
    assert audible[: SAMPLE_RATE_HZ // 4].max() > 0.05
    assert audible[SAMPLE_RATE_HZ * 3 // 4 :].max() < 0.01


def find_crest(audible: Any) -> tuple[float, float]:
    """Return the loudest sample, and the ratio of the mean to it: 0.71 for a sine, 1 if clipped."""
    middle = audible[SAMPLE_RATE_HZ // 4 : SAMPLE_RATE_HZ * 3 // 4]
    peak = float(np.abs(middle).max())
    return peak, float(np.sqrt(np.mean(middle**2))) / peak


def test_mix_that_is_too_loud_is_limited_without_clipping(bench: Bench, tmp_path: Path) -> None:
    """A full-scale tone, twice at once."""
    clip = make_dark(bench, tmp_path / "dark.mp4", has_sound=False)
    tone = bench.add_material(make_tone(tmp_path / "tone.wav", hertz=440))
    loud = Sound(tone, Fraction(0), Fraction(1), "Sound 0", volume=Fraction(16))
    mixed = bench.mix(replace(edit(clip), sounds=(loud, loud)))
    assert mixed is not None
    peak, share = find_crest(read_sound(mixed))
    assert peak == pytest.approx(1, abs=0.1)
    assert share == pytest.approx(0.71, abs=0.08)


def test_mix_that_is_not_too_loud_passes_bit_exact(tmp_path: Path) -> None:
    noise = "anoisesrc=d=0.5:r=48000:a=0.9,aformat=channel_layouts=stereo"
    films.run(["-f", "lavfi", "-i", noise, *RAW_FORMAT, f"{tmp_path}/a.raw"])
    loud_enough = ["-i", f"{tmp_path}/a.raw", "-af", LIMITER]
    films.run([*RAW_FORMAT, *loud_enough, *RAW_FORMAT, f"{tmp_path}/b.raw"])
    assert (tmp_path / "a.raw").read_bytes() == (tmp_path / "b.raw").read_bytes()


def test_surround_audio_is_downmixed_without_clipping(bench: Bench, tmp_path: Path) -> None:
    same = "|".join(["0.7*sin(2*PI*440*t)"] * 3 + ["0"] + ["0.7*sin(2*PI*440*t)"] * 2)
    sound = ["-f", "lavfi", "-i", f"aevalsrc={same}:c=5.1:d=1:s=48000", "-c:a", "flac"]
    picture = ["-f", "lavfi", "-i", "color=size=64x48:rate=25:duration=1"]
    films.run([*picture, *sound, "-c:v", "libx264", f"{tmp_path}/five.mkv"])
    film = bench.add(tmp_path / "five.mkv")
    mixed = bench.mix(edit(Clip(film, Fraction(0), Fraction(1))))
    assert mixed is not None
    peak, share = find_crest(read_sound(mixed))
    # There is room left for the low frequencies, which are silent here.
    assert peak == pytest.approx(0.58, abs=0.05)
    assert share == pytest.approx(0.71, abs=0.03)


def test_upper_track_without_audio_is_not_mixed(bench: Bench, tmp_path: Path) -> None:
    clip = make_dark(bench, tmp_path / "dark.mp4", has_sound=False)
    sound = Sound(clip.source, Fraction(0), Fraction(1), "Track 1, clip 0", may_be_missing=True)
    assert bench.mix(replace(edit(clip), sounds=(sound,))) is None


def test_overlay_source_is_probed_by_kind(tmp_path: Path) -> None:
    cover = tmp_path / "cover.mp3"
    still, tone = make_still(tmp_path / "a.png"), make_tone(tmp_path / "b.mp3")
    covered = ["-i", str(tone), "-i", str(still), "-map", "0", "-map", "1", "-c", "copy"]
    films.run([*covered, "-disposition:v", "attached_pic", str(cover)])
    known = {path: probe_material(path, Limits()) for path in (still, tone, cover)}
    assert [info.format for info in known.values()] == [
        *(MaterialFormat.PNG, MaterialFormat.MP3, MaterialFormat.MP3)
    ]
    assert [info.has_picture for info in known.values()] == [True, False, False]
    assert not any(info.is_film for info in known.values())


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "media_empty"),
        (b"#EXTM3U\nfile:///etc/passwd", "media_playlist"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "media_still"),
        (b"\x89PNG\r\n\x1a\nand then nothing", "media_damaged"),
        (b"ID3\x03", "media_unreadable"),
    ],
)
def test_overlay_source_of_another_kind_is_rejected(
    tmp_path: Path, content: bytes, code: str
) -> None:
    path = tmp_path / "material"
    path.write_bytes(content)
    with pytest.raises(MediaRejected) as refused:
        probe_material(path, Limits())
    assert refused.value.code == code


def test_animated_image_is_rejected_by_its_own_code(tmp_path: Path) -> None:
    path = tmp_path / "moving.webp"
    moving = ["-f", "lavfi", "-i", "testsrc2=size=40x20:rate=10:duration=0.4"]
    films.run([*moving, "-c:v", "libwebp_anim", "-loop", "0", str(path)])
    with pytest.raises(MediaRejected) as refused:
        probe_material(path, Limits())
    assert refused.value.code == "media_animated"


def test_overlay_image_with_too_many_pixels_is_rejected(tmp_path: Path) -> None:
    path = make_still(tmp_path / "large.png", "color=c=white:size=2000x2000")
    with pytest.raises(MediaRejected) as refused:
        probe_material(path, replace(Limits(), max_pixels=10**6))
    assert refused.value.code == "media_too_many_pixels"
