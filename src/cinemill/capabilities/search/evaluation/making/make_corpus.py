"""Making the videos of a corpus, one after the other; those that are there already are kept."""

from __future__ import annotations

import hashlib
import json
import tempfile
import wave
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from cinemill.capabilities.search.evaluation.making.corpus_files import (
    CorpusDescription,
    CorpusFolder,
)
from cinemill.capabilities.search.evaluation.making.film import (
    FILM_NAME,
    SIGNS_NAME,
    name_audio,
    plan_film,
)
from cinemill.capabilities.search.evaluation.making.pictures import draw_signs
from cinemill.capabilities.search.evaluation.making.speech import Synthesizer, trim_silence
from cinemill.capabilities.search.evaluation.making.timing import (
    FPS,
    SceneAudio,
    SpokenScene,
    lay_out_audio,
    time_video,
)
from cinemill.capabilities.search.evaluation.making.truth import TrueVideo
from cinemill.capabilities.search.evaluation.plan.records import CorpusPlan, PlannedVideo, Scene
from cinemill.errors import OutputInvalid
from cinemill.media.ffmpeg.fonts import copy_fonts
from cinemill.media.ffmpeg.session import FfmpegSession
from cinemill.media.probe.probe import probe

OpenSession = Callable[[Path], FfmpegSession]
"""Returns a session for a private folder."""


def make_corpus(
    plan: CorpusPlan,
    folder: Path,
    synthesizer: Synthesizer,
    open_session: OpenSession,
    *,
    on_video: Callable[[TrueVideo], None] = lambda _video: None,
) -> CorpusFolder:
    """Make all videos of the plan in ``folder``, with their truth and the questions.

    Goes on where an earlier call was interrupted. ``on_video`` is called after each video.

    Raises CorpusDiffers if the folder holds another corpus, WorkFailed (``speech_failed``),
    ToolMissing without the font, OutputInvalid, CommandFailed, CommandStalled and DiskFull.
    """
    corpus = CorpusFolder(folder)
    names = tuple(video.name for video in plan.videos)
    description = CorpusDescription(plan.seed, digest_plan(plan), synthesizer.name, names)
    corpus.begin(description, plan.questions)
    for video in plan.videos:
        if not corpus.has_video(video.name):
            with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as work:
                truth = make_video(video, open_session(Path(work)), synthesizer)
                corpus.place_video(Path(work) / FILM_NAME, truth)
        on_video(corpus.read_video(video.name))
    return corpus


def digest_plan(plan: CorpusPlan) -> str:
    """Return the sha256 of all that is said, shown and asked."""
    document = json.dumps(asdict(plan), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(document.encode()).hexdigest()


def make_video(video: PlannedVideo, session: FfmpegSession, synthesizer: Synthesizer) -> TrueVideo:
    """Make ``film.mp4`` in the session's folder, and return when everything happens in it.

    Raises what :func:`make_corpus` raises.
    """
    spoken = [_speak(scene, synthesizer) for scene in video.scenes]
    audio = [lay_out_audio(one) for one in spoken]
    truth = time_video(video, spoken, audio)
    frames = [one.frames for one in audio]
    for number, one in enumerate(audio):
        _write_wave(session.folder / name_audio(number), one)
    signs = draw_signs(video.scenes, frames, FPS)
    (session.folder / SIGNS_NAME).write_text(signs, "utf-8")
    copy_fonts(session.folder)
    colors = [scene.picture.color for scene in video.scenes]
    session.run(plan_film(colors, frames, FPS), on_progress=lambda _progress: None)
    _check_length(session, truth)
    return truth


def _speak(scene: Scene, synthesizer: Synthesizer) -> SpokenScene:
    voice = synthesizer.voices[scene.voice % len(synthesizer.voices)]
    sentences = tuple(
        trim_silence(synthesizer.speak(to_spoken(text), voice)) for text in scene.sentences
    )
    return SpokenScene(voice, sentences, synthesizer.rate_hz)


def to_spoken(text: str) -> str:
    """Return a sentence as it is spoken: years in two halves, nothing between quotation marks."""
    words = [_split_year(word) for word in text.replace('"', "").split()]
    return " ".join(words)


def _split_year(word: str) -> str:
    bare = word.rstrip(".,")
    is_year = len(bare) == 4 and bare.isdigit() and bare.startswith("19")
    return f"{bare[:2]} {bare[2:]}{word[4:]}" if is_year else word


def _write_wave(path: Path, audio: SceneAudio) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(audio.rate_hz)
        file.writeframes(audio.samples.astype("<i2").tobytes())


def _check_length(session: FfmpegSession, truth: TrueVideo) -> None:
    """Check that the video has all its frames: an exit code of 0 proves nothing."""
    info = probe(session.folder / FILM_NAME, session.limits, sandbox=session.sandbox)
    seconds = info.duration_seconds_from_header
    if abs(seconds - truth.frames / truth.fps) > 1 / truth.fps or not info.audio:
        raise OutputInvalid(
            f"{truth.name} should be {truth.frames / truth.fps:.2f} s long with audio; "
            f"{seconds:.2f} s were written."
        )
