"""The edit of ``bench.render`` written with MoviePy; run in an environment of its own.

Arguments: the video, the output, how many scenes, their seconds and the fade's.
"""

from __future__ import annotations

import sys

from moviepy import CompositeVideoClip, VideoFileClip, afx, vfx


def cut_scene(path: str, number: int, seconds: float, fade: float) -> VideoFileClip:
    start = number * (seconds - fade)
    scene = VideoFileClip(path).subclipped(start, start + seconds).with_start(start)
    effects = [vfx.CrossFadeIn(fade), afx.AudioFadeIn(fade)] if number else []
    return scene.with_effects([*effects, afx.AudioFadeOut(fade)])


def main() -> None:
    path, output, count, seconds, fade = sys.argv[1:]
    scenes = [cut_scene(path, number, float(seconds), float(fade)) for number in range(int(count))]
    CompositeVideoClip(scenes, size=(1280, 720)).write_videofile(
        output,
        fps=30,
        codec="libx264",
        preset="medium",
        audio_codec="aac",
        audio_bitrate="192k",
        ffmpeg_params=["-crf", "22"],
        logger=None,
    )


if __name__ == "__main__":
    main()
