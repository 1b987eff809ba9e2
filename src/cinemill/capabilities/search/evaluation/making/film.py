"""The FFmpeg command for a video of the corpus: one filter graph, joined once. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cinemill.capabilities.search.evaluation.making.pictures import HEIGHT, WIDTH
from cinemill.capabilities.search.evaluation.plan.words import COLORS
from cinemill.media.ffmpeg.fonts import FONTS_FOLDER

AUDIO_RATE_HZ = 48_000
SIGNS_NAME = "signs.ass"
FILM_NAME = "film.mp4"
_GOP_SECONDS = 2


def name_audio(scene: int) -> str:
    """Return the name of the file with a scene's audio."""
    return f"scene{scene}.wav"


def plan_film(colors: Sequence[str], frames: Sequence[int], fps: int) -> list[str]:
    """Return arguments that join scenes with these backgrounds and lengths in frames.

    The audio of each scene ends with its last frame, to the sample.
    """
    chains, labels, inputs = [], [], []
    for number, (color, length) in enumerate(zip(colors, frames, strict=True)):
        inputs += ["-f", "wav", "-protocol_whitelist", "file", "-i", f"file:{name_audio(number)}"]
        chains.append(
            f"color=c=0x{COLORS[color]}:size={WIDTH}x{HEIGHT}:rate={fps}"
            f",trim=end_frame={length},format=yuv420p,setsar=1[picture{number}]"
        )
        samples = length * AUDIO_RATE_HZ // fps
        chains.append(
            f"[{number}:a]aresample={AUDIO_RATE_HZ},aformat=channel_layouts=mono"
            f",apad,atrim=end_sample={samples}[sound{number}]"
        )
        labels.append(f"[picture{number}][sound{number}]")
    chains.append(f"{''.join(labels)}concat=n={len(frames)}:v=1:a=1[joined][sound]")
    chains.append(
        f"[joined]subtitles=filename={SIGNS_NAME}:fontsdir={FONTS_FOLDER},format=yuv420p[picture]"
    )
    return [
        *inputs,
        *("-filter_complex", ";".join(chains), "-map", "[picture]", "-map", "[sound]"),
        *("-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "veryfast", "-crf", "20"),
        *("-g", str(_GOP_SECONDS * fps), "-c:a", "aac", "-b:a", "96k"),
        *("-map_metadata", "-1", "-bitexact", "-movflags", "+faststart", "-f", "mp4", FILM_NAME),
    ]
