"""Two videos of a corpus, really spoken, drawn and encoded, and compared with their truth."""

from __future__ import annotations

import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.corpora import fetch_espeak, open_session
from tests.model_files import fetch_models
from tests.speech import word_error_rate

from cinemill.capabilities.search.evaluation.making.corpus_files import (
    CorpusDiffers,
    CorpusFolder,
)
from cinemill.capabilities.search.evaluation.making.espeak import Espeak, open_espeak
from cinemill.capabilities.search.evaluation.making.film import (
    FILM_NAME,
    SIGNS_NAME,
    name_audio,
    plan_film,
)
from cinemill.capabilities.search.evaluation.making.make_corpus import make_corpus, to_spoken
from cinemill.capabilities.search.evaluation.making.pictures import draw_signs
from cinemill.capabilities.search.evaluation.making.speech import Speech, trim_silence
from cinemill.capabilities.search.evaluation.making.timing import (
    FPS,
    SpokenScene,
    lay_out_audio,
)
from cinemill.capabilities.search.evaluation.making.truth import TrueVideo
from cinemill.capabilities.search.evaluation.metrics.records import locate_questions
from cinemill.capabilities.search.evaluation.plan.corpus_plan import CorpusSize, make_plan
from cinemill.capabilities.search.evaluation.plan.records import CorpusPlan, EvidencePart
from cinemill.capabilities.search.evaluation.plan.words import COLORS
from cinemill.core.transcript import SpeechTask
from cinemill.errors import ToolMissing, WorkFailed
from cinemill.inference.models.catalog import get_card
from cinemill.inference.speech.audio import SAMPLE_RATE_HZ, PcmAudio
from cinemill.inference.speech.model import open_speech_model
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.fonts import copy_fonts
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.frames.exact import SHOT_FRAME_SIZE, read_every_frame
from cinemill.media.frames.shots import detect_shots

FRAME_MS = 1000 / 12
PLAN = make_plan(11, CorpusSize(videos=2, scenes=5))


@dataclass(slots=True)
class CountedSpeech:
    """The real synthesizer, counting what it was asked to say."""

    espeak: Espeak
    said: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.espeak.name

    @property
    def voices(self) -> tuple[str, ...]:
        return self.espeak.voices

    @property
    def rate_hz(self) -> int:
        return self.espeak.rate_hz

    def speak(self, text: str, voice: str) -> Speech:
        self.said.append(text)
        return self.espeak.speak(text, voice)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> CorpusFolder:
    folder = tmp_path_factory.mktemp("corpus")
    return make_corpus(PLAN, folder, fetch_espeak(), open_session)


@pytest.fixture(scope="module")
def videos(corpus: CorpusFolder) -> list[TrueVideo]:
    return list(corpus.read_videos().values())


def decode_audio(path: Path) -> PcmAudio:
    samples = ["-ar", str(SAMPLE_RATE_HZ), "-ac", "1", "-f", "s16le", "-"]
    command = [str(find_ffmpeg(None).ffmpeg), "-v", "error", "-i", str(path), *samples]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.int16)


def read_pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield every frame: height × width × 3, red, green and blue."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def test_videos_are_as_long_as_planned_and_sound_as_well(
    corpus: CorpusFolder, videos: list[TrueVideo]
) -> None:
    for video in videos:
        path = corpus.locate_video(video.name)
        frames = sum(1 for _ in read_pictures(path))
        assert frames == video.frames
        audio_ms = len(decode_audio(path)) * 1000 / SAMPLE_RATE_HZ
        assert abs(audio_ms - frames * FRAME_MS) < FRAME_MS


def test_truth_has_scenes_in_whole_frames_and_sentences_inside(videos: list[TrueVideo]) -> None:
    for planned, video in zip(PLAN.videos, videos, strict=True):
        assert video.scenes[0].start_ms == 0
        assert video.scenes[-1].end_ms == video.duration_ms
        for scene, after in pairwise(video.scenes):
            assert scene.end_ms == after.start_ms
        for plan, scene in zip(planned.scenes, video.scenes, strict=True):
            assert [one.text for one in scene.sentences] == list(plan.sentences)
            times = [time for one in scene.sentences for time in (one.start_ms, one.end_ms)]
            assert times == sorted(times)
            assert scene.start_ms < times[0] < times[-1] < scene.end_ms
            assert -scene.start_ms * 12 % 1000 < 12  # on a frame, rounded down to a millisecond


def test_cuts_are_where_the_truth_has_them(corpus: CorpusFolder, videos: list[TrueVideo]) -> None:
    width, height = SHOT_FRAME_SIZE
    for video in videos:
        frames = [
            (frame.time_ms, frame.pixels)
            for frame in read_every_frame(
                corpus.locate_video(video.name), limits=Limits(), width=width, height=height
            )
        ]
        found = [shot.start_ms for shot in detect_shots(frames, video.duration_ms)[1:]]
        assert len(found) == len(video.cuts_ms)
        assert all(abs(cut - true) <= 1 for cut, true in zip(found, video.cuts_ms, strict=True))


def test_pictures_have_their_color_in_every_frame(
    corpus: CorpusFolder, videos: list[TrueVideo]
) -> None:
    for video in videos:
        for number, picture in enumerate(read_pictures(corpus.locate_video(video.name))):
            at_ms = number * FRAME_MS + 1
            scene = next(one for one in video.scenes if one.start_ms <= at_ms < one.end_ms)
            wanted = np.frombuffer(bytes.fromhex(COLORS[scene.picture.color]), np.uint8)
            corner = picture[:60].reshape(-1, 3).mean(axis=0)
            assert np.abs(corner - wanted).max() < 12


def test_signs_and_shapes_are_drawn_in_every_frame_of_their_scene(
    corpus: CorpusFolder, videos: list[TrueVideo]
) -> None:
    for video in videos:
        pictures = list(read_pictures(corpus.locate_video(video.name)))
        for scene in video.scenes:
            first, last = round(scene.start_ms / FRAME_MS), round(scene.end_ms / FRAME_MS) - 1
            middle = pictures[(first + last) // 2]
            white = np.asarray(middle.min(axis=2) > 225)
            assert 500 < white[270:].sum() < 20_000  # letters on the band
            columns = np.asarray(white[90:170].any(axis=0))
            shapes = int((columns[1:] & ~columns[:-1]).sum())
            assert shapes == scene.picture.count
            for frame in (first, last):
                assert np.abs(pictures[frame].astype(int) - middle).mean() < 2


def test_audio_that_is_longer_than_its_scene_ends_with_it(tmp_path: Path) -> None:
    """Else every later scene would be late."""
    rate = 22_050
    for number, seconds in enumerate((1.5, 0.7)):
        tone = 8_000 * np.sin(np.arange(round(seconds * rate)) * (0.1 + 0.1 * number))
        with wave.open(str(tmp_path / name_audio(number)), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(tone.astype("<i2").tobytes())
    (tmp_path / SIGNS_NAME).write_text(draw_signs([], [], 12))
    copy_fonts(tmp_path)
    open_session(tmp_path).run(
        plan_film(["red", "blue"], [12, 12], 12), on_progress=lambda _progress: None
    )
    audio = decode_audio(tmp_path / FILM_NAME).astype(np.int32)
    assert abs(len(audio) - 2 * SAMPLE_RATE_HZ) < 200
    end_seconds = np.flatnonzero(np.abs(audio) > 1_000)[-1] / SAMPLE_RATE_HZ
    assert abs(end_seconds - 1.7) < 0.02  # the second tone begins with the second scene
    assert sum(1 for _ in read_pictures(tmp_path / FILM_NAME)) == 24


@pytest.mark.parametrize("samples", [1, 1_837, 1_838, 22_050, 100_003])
def test_scene_is_never_shorter_than_its_audio(samples: int) -> None:
    speech = Speech(np.ones(samples, np.int16), 22_050)
    audio = lay_out_audio(SpokenScene("en", (speech, speech), 22_050))
    spare = audio.frames * 22_050 / FPS - len(audio.samples)
    assert 0 <= spare < 22_050 / FPS
    for first, last in audio.ranges:
        assert audio.samples[first:last].all()
    assert audio.samples.sum() == 2 * samples


def test_sentences_sound_when_the_truth_says_so(
    corpus: CorpusFolder, videos: list[TrueVideo]
) -> None:
    """Loud from a sentence's first sound to its last one, silent between sentences."""
    for video in videos:
        loudness = np.abs(decode_audio(corpus.locate_video(video.name)).astype(np.int32))
        spoken = np.zeros(len(loudness), np.bool_)
        for sentence in (one for scene in video.scenes for one in scene.sentences):
            first, last = (round(ms * 16) for ms in (sentence.start_ms, sentence.end_ms))
            spoken[first - 800 : last + 800] = True  # 50 ms around it
            assert loudness[first : first + 2_400].max() > 300
            assert loudness[last - 2_400 : last].max() > 300
        assert loudness[~spoken].max() < 300


def test_words_are_audible(corpus: CorpusFolder, videos: list[TrueVideo]) -> None:
    model = open_speech_model(get_card("tiny.en"), fetch_models("tiny.en"))
    spoken, transcribed = [], []
    for video in videos:
        transcription = model.transcribe(
            decode_audio(corpus.locate_video(video.name)),
            language="en",
            task=SpeechTask.TRANSCRIBE,
            on_progress=lambda share: None,
            should_stop=lambda: None,
        )
        spoken.append(video.to_transcript().text)
        transcribed.append(" ".join(one.text for one in transcription.utterances))
    assert word_error_rate(" ".join(spoken), " ".join(transcribed)) < 0.3


def test_questions_find_their_answers_in_the_videos_that_were_made(
    corpus: CorpusFolder, videos: list[TrueVideo]
) -> None:
    by_name = {video.name: video for video in videos}
    located = locate_questions(PLAN.questions, by_name)
    for question, planned in zip(located, PLAN.questions, strict=True):
        assert question.is_answerable is planned.is_answerable
        for moment in question.evidence:
            text = by_name[moment.video].read_between(moment.start_ms, moment.end_ms)
            assert planned.answer.lower() in text.lower()
            if planned.part is EvidencePart.SPEECH:
                assert moment.length_ms < 10_000


def test_interrupted_corpus_goes_on_where_it_stopped(
    corpus: CorpusFolder, videos: list[TrueVideo], tmp_path: Path
) -> None:
    folder = tmp_path / "again"
    speech = CountedSpeech(fetch_espeak())
    stopped = WorkFailed("Stopped.")

    def stop(_video: TrueVideo) -> None:
        raise stopped

    with pytest.raises(WorkFailed, match="Stopped"):
        make_corpus(PLAN, folder, speech, open_session, on_video=stop)
    first = len(speech.said)
    assert first == sum(len(scene.sentences) for scene in PLAN.videos[0].scenes)
    again = make_corpus(PLAN, folder, speech, open_session)
    second = sum(len(scene.sentences) for scene in PLAN.videos[1].scenes)
    assert len(speech.said) == first + second
    # Made again, it is the same to the byte.
    assert list(again.read_videos().values()) == videos
    for video in videos:
        made, remade = corpus.locate_video(video.name), again.locate_video(video.name)
        assert made.read_bytes() == remade.read_bytes()
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_other_plan_does_not_go_into_the_same_folder(corpus: CorpusFolder) -> None:
    other: CorpusPlan = make_plan(12, CorpusSize(videos=2, scenes=5))
    with pytest.raises(CorpusDiffers):
        make_corpus(other, corpus.root, fetch_espeak(), open_session)


def test_voices_differ_and_each_speaks_the_same_every_time() -> None:
    espeak = fetch_espeak()
    said = {
        voice: espeak.speak("Good evening.", voice).samples.tobytes() for voice in espeak.voices
    }
    assert len(set(said.values())) == len(espeak.voices) == 12
    for voice, samples in reversed(said.items()):
        assert espeak.speak("Good evening.", voice).samples.tobytes() == samples


def test_unknown_voice_and_silence_are_rejected() -> None:
    for text, voice in (("Hello.", "no-such-voice"), ("", "en")):
        with pytest.raises(WorkFailed) as rejected:
            fetch_espeak().speak(text, voice)
        assert rejected.value.code == "speech_failed"


def test_missing_synthesizer_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing) as rejected:
        open_espeak(tmp_path)
    assert rejected.value.code == "extra_missing"
    assert "pip install espeakng-loader" in rejected.value.hint


def test_silence_around_a_sentence_is_cut() -> None:
    samples = np.array([0, 5, -300, 301, 0, -4_000, 20, 0], np.int16)
    assert trim_silence(Speech(samples, 8)).samples.tolist() == [301, 0, -4_000]
    assert trim_silence(Speech(samples[:3], 8)).samples.tolist() == []


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("It was founded in 1962.", "It was founded in 19 62."),
        ("In 1911, it began.", "In 19 11, it began."),
        ("There were 480 visitors.", "There were 480 visitors."),
        ('He called it "a sleeping giant".', "He called it a sleeping giant."),
    ],
)
def test_years_are_spoken_in_two_halves(text: str, spoken: str) -> None:
    assert to_spoken(text) == spoken
