"""Key frames: alike pictures count once, the sharpest of a shot is chosen, and there are few."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.faces import blur, read_frames
from tests.unit.media.test_sampling import make_index

from cinemill.core.frames import Frame, Shot
from cinemill.media.frames.keyframes import (
    ALIKE_BITS,
    MOST_CANDIDATES,
    FrameLook,
    choose_candidates,
    choose_keyframes,
    find_alike,
    hash_picture,
    is_alike,
    look_at_frames,
)

Pixels = NDArray[np.uint8]
GRAY = (128.0, 128.0, 128.0)


def look_at(pixels: Pixels, time_ms: int = 0) -> FrameLook:
    (look,) = look_at_frames([Frame(time_ms, time_ms, pixels)])
    return look


def make_look(time_ms: int, *, sharpness: float = 1.0, bits: int = 0) -> FrameLook:
    return FrameLook(time_ms, time_ms, sharpness, bits, GRAY)


def flat(color: tuple[int, int, int]) -> Pixels:
    return np.full((90, 160, 3), color, np.uint8)


def dim(pixels: Pixels) -> Pixels:
    return np.asarray(pixels * 0.93, np.uint8)


def add_noise(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(1).integers(-6, 7, pixels.shape)
    return np.clip(pixels.astype(int) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["bikes", "obama_speech", "shot_change"])
@pytest.mark.parametrize(
    "change", [dim, add_noise, lambda picture: picture[::2, ::2]], ids=["dim", "noise", "half"]
)
def test_picture_is_alike_after_small_changes(name: str, change: object) -> None:
    assert callable(change)
    picture = read_frames(name, 1)[0].pixels
    assert is_alike(look_at(picture), look_at(change(picture)))


def test_scenes_of_a_real_video_differ() -> None:
    first, *_, last = (look_at(frame.pixels) for frame in read_frames("bikes", 4))
    assert (first.hash ^ last.hash).bit_count() > ALIKE_BITS
    assert not is_alike(first, last)


def test_flat_pictures_differ_by_color_only() -> None:
    red, green, dark_red = flat((200, 40, 40)), flat((40, 108, 40)), flat((195, 38, 38))
    assert not is_alike(look_at(red), look_at(green))
    assert is_alike(look_at(red), look_at(dark_red))


def test_flat_picture_with_noise_has_no_hash() -> None:
    noisy = add_noise(flat((100, 100, 100)))[..., :1].repeat(3, axis=2)
    assert hash_picture(noisy.astype(np.float32)[..., 0]) == 0


def test_picture_smaller_than_the_hash_has_one() -> None:
    assert 0 <= look_at(np.zeros((1, 2, 3), np.uint8)).hash < 2**64
    tiny = np.random.default_rng(3).integers(0, 256, (5, 7, 3), np.uint8)
    assert 0 < look_at(tiny).hash < 2**64


def test_sharpest_of_a_shot_is_chosen() -> None:
    picture = read_frames("shot_change", 1)[0].pixels
    blurred = [look_at(blur(picture, sigma), 100 * n) for n, sigma in enumerate((2.0, 1.0))]
    sharp = look_at(picture, 250)
    late = look_at(blur(picture, 3.0), 400)
    assert choose_keyframes([*blurred, sharp, late], [Shot(0, 500)]) == [sharp]


def test_shot_that_shows_two_things_has_two_key_frames() -> None:
    looks = [make_look(100, sharpness=5), make_look(200, bits=2**64 - 1), make_look(300)]
    assert choose_keyframes(looks, [Shot(0, 400)]) == looks[:2]


def test_shot_that_returns_to_a_known_picture_has_no_second_key_frame() -> None:
    other = 2**40 - 1
    looks = [make_look(100), make_look(1100, bits=other), make_look(2100)]
    shots = [Shot(0, 1000), Shot(1000, 2000), Shot(2000, 3000)]
    assert choose_keyframes(looks, shots) == looks[:2]


def test_first_frames_of_shots_come_before_second_ones() -> None:
    bits = [((n * 0x9E3779B97F4A7C15) ^ (n << 61)) % 2**64 for n in range(1, 13)]
    looks = [make_look(500 * n, sharpness=12 - n, bits=one) for n, one in enumerate(bits)]
    shots = [Shot(1000 * n, 1000 * n + 1000) for n in range(6)]
    found = choose_keyframes(looks, shots, most=6)
    assert [look.time_ms for look in found] == [1000 * n for n in range(6)]


looks_of_any_video = st.lists(
    st.tuples(st.integers(0, 99), st.integers(0, 2**64 - 1), st.floats(0, 1e4)),
    max_size=40,
    unique_by=lambda one: one[0],
)


@pytest.mark.property
@given(looks_of_any_video, st.integers(1, 10))
def test_key_frames_are_few_distinct_and_in_order(
    parts: list[tuple[int, int, float]], most: int
) -> None:
    looks = [make_look(100 * at, bits=bits, sharpness=sharp) for at, bits, sharp in parts]
    shots = [Shot(2500 * n, 2500 * n + 2500) for n in range(4)]
    found = choose_keyframes(looks, shots, most)
    assert len(found) <= most
    assert bool(found) == bool(looks)
    assert [one.time_ms for one in found] == sorted({one.time_ms for one in found})
    assert not any(is_alike(one, two) for one in found for two in found if one is not two)
    every = choose_keyframes(looks, shots, 1000)
    # Whatever was left out shows what a key frame shows.
    assert all(any(is_alike(look, one) for one in every) for look in looks)


def test_twelve_hours_have_a_bounded_number_of_candidates() -> None:
    step_ms = 500
    index = make_index([n * step_ms for n in range(12 * 3600 * 1000 // step_ms)])
    shots = [Shot(n * 4000, n * 4000 + 4000) for n in range(12 * 900)]
    found = choose_candidates(index, shots)
    assert len(found) == MOST_CANDIDATES
    assert found[0] < 60_000
    assert found[-1] > index.end_ms - 60_000


def test_every_short_shot_has_candidates() -> None:
    index = make_index([n * 40 for n in range(300)], key_every=50)
    shots = [Shot(n * 1200, n * 1200 + 1200) for n in range(10)]
    found = choose_candidates(index, shots)
    for shot in shots:
        assert len([pts for pts in found if shot.start_ms <= pts < shot.end_ms]) == 3


def test_candidates_are_looked_at_one_by_one() -> None:
    side = 320

    def play() -> Iterator[Frame]:
        for number in range(60):
            yield Frame(number, number, np.full((side, side, 3), number, np.uint8))

    tracemalloc.start()
    try:
        assert len(list(look_at_frames(play()))) == 60
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A frame and a few of its size in floats; sixty frames have 18 MB.
    assert peak_bytes < 8 * side * side * 3


def test_shot_without_a_key_frame_is_like_one_that_has_it() -> None:
    far = (1 << 40) - 1
    shots = [Shot(0, 100), Shot(100, 200), Shot(200, 300), Shot(300, 400)]
    looks = [
        make_look(10),
        make_look(110, bits=far),
        *(make_look(210, sharpness=2), make_look(220, bits=far, sharpness=1)),
    ]
    chosen = choose_keyframes(looks, shots)
    assert [look.time_ms for look in chosen] == [10, 110]
    assert find_alike(looks, shots, chosen) == {200: looks[0]}
    # One that was left out because there were too many is nobody's like.
    assert find_alike(looks, shots, chosen[1:]) == {}
