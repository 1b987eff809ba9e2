"""The bare parts of an ingestion, each called once and without jobs, database or retries.

Run by ``bench.ingestion`` in a process of its own, with a JSON request in a file, as
``python -m bench.ingestion_child request.json``; prints the processor seconds of each part.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.report import cpu_seconds_of
from bench.shots import find_cuts
from cinemill.capabilities.analysis.frame_models import FRAME_MODELS
from cinemill.capabilities.analysis.keyframes import find_keyframes
from cinemill.capabilities.analysis.sampled_frames import read_sampled_frames
from cinemill.capabilities.analysis.sound import find_sounds
from cinemill.capabilities.ingest.graph import plan_prepare
from cinemill.capabilities.ingest.request import PrepareRequest
from cinemill.core.frames import Shot
from cinemill.core.transcript import SpeechTask
from cinemill.inference.language.spacy_parser import open_parser
from cinemill.inference.models.catalog import get_card
from cinemill.inference.sound.classifier import open_sound_classifier
from cinemill.inference.speech.audio import memory_map
from cinemill.inference.speech.model import open_speech_model
from cinemill.inference.text.onnx_embedder import open_text_embedder
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.frames.index import read_index
from cinemill.media.probe.probe import probe
from cinemill.steps.ingestion.profiles import CONTENTS, Profile

BATCH = 64


@dataclass(frozen=True, slots=True)
class Parts:
    """What an ingestion did, to be done again."""

    film: Path
    models: Path
    folder: Path
    shots: Sequence[Shot]
    texts: Sequence[str]

    def prepare(self) -> None:
        """Run the one FFmpeg command that leaves everything else its files."""
        binary, limits = find_ffmpeg(None), Limits()
        plan = plan_prepare(
            str(self.film),
            probe(self.film, limits),
            PrepareRequest(),
            can_tonemap=binary.can_tonemap,
            max_pixels=limits.max_pixels,
        )
        command = [str(binary.ffmpeg), "-y", "-v", "error", "-nostdin", *plan.arguments]
        subprocess.run(command, check=True, cwd=self.folder)
        samples = ["-ar", "16000", "-ac", "1", "-f", "s16le", "sound.s16"]
        decode = [str(binary.ffmpeg), "-y", "-v", "error", "-nostdin", "-i", "audio.flac"]
        subprocess.run([*decode, *samples], check=True, cwd=self.folder)

    def find_shots(self) -> None:
        find_cuts(self.folder / "shots.mkv")

    def look_at_keyframes(self) -> None:
        """Choose key frames, and look at each with every model of the profile."""
        index = read_index(self.film, Limits())
        chosen = find_keyframes(self.film, index, self.shots, limits=Limits())
        pts = [int(str(one.details["pts"])) for one in chosen]
        with ExitStack() as stack:
            looks = [
                stack.enter_context(FRAME_MODELS[kind].open(self.models))
                for kind in CONTENTS[Profile.STANDARD].frames
            ]
            for frame in read_sampled_frames(self.film, index, pts, limits=Limits()):
                for look in looks:
                    look(frame)

    def tell_sounds_apart(self) -> None:
        find_sounds(self.folder / "sound.s16", open_sound_classifier(self.models))

    def transcribe(self) -> None:
        open_speech_model(get_card("base"), self.models).transcribe(
            memory_map(self.folder / "sound.s16"),
            language=None,
            task=SpeechTask.TRANSCRIBE,
            on_progress=lambda share: None,
            should_stop=lambda: None,
        )

    def parse(self) -> None:
        parser = open_parser(self.models)
        for first in range(0, len(self.texts), BATCH):
            parser.parse(self.texts[first : first + BATCH])

    def embed(self) -> None:
        embedder = open_text_embedder("minilm-l6-v2-int8", self.models)
        for first in range(0, len(self.texts), BATCH):
            embedder.embed(self.texts[first : first + BATCH])


def main() -> int:
    request = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    parts = Parts(
        Path(request["film"]),
        Path(request["models"]),
        Path(request["folder"]),
        [Shot(*pair) for pair in request["shots"]],
        request["texts"],
    )
    works: list[Callable[[], None]] = [
        *(parts.prepare, parts.find_shots, parts.look_at_keyframes, parts.tell_sounds_apart),
        *(parts.transcribe, parts.parse, parts.embed),
    ]
    print(json.dumps({work.__name__: cpu_seconds_of(work) for work in works}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
