"""Every rule of the timeline's reader, broken: the code, the sentence and the hint that a user gets.

A changed sentence is a changed row here. Codes never change.
"""

# One row a case, however long its sentence is.
# ruff: noqa: E501

from __future__ import annotations

from typing import Any

import pytest

from cinemill.capabilities.render.timeline.timeline import TRANSITIONS
from cinemill.capabilities.render.timeline.timeline_parser import read_timeline
from cinemill.errors import InputRejected

Rejection = tuple[Any, str, str, str]
"""A document; its code, sentence and hint."""
NAN = float("nan")
USUAL = InputRejected.hint
COUNTED = "Elements are numbered from 0; correct this one."
TRANSITION_HINT = f"Use one of: cut, {', '.join(TRANSITIONS)}."
CLIP_HINT = "Use some of: asset_id, end, fade_in, fade_out, path, start, transition, volume."
GAP_HINT = "Use some of: gap, transition."
SCENE_HINT = "Use some of: end_time, start_time, video_path."
TITLE_HINT = "Use some of: colour, fade_in, fade_out, from, place, size, text, to."
OUTPUT_HINT = "Use some of: fps, height, width."
FULL_HINT = "Use some of: background, captions, clips, output, overlays, sounds, subtitles, titles, tracks, use_gpu."
SCENES_HINT = "Use some of: captions, output_format, scenes, subtitles, transitions, use_gpu."
PARTS_HINT = "Render it in parts, and then join the parts."
SOURCE_HINT = "Give the path of a file that the workers can read, or the id of a stored asset."
ONE_SOURCE_HINT = "Leave one of the two out."
OVERLAY_HINT = (
    "Use some of: asset_id, fade_in, fade_out, from, opacity, path, place, size, start, to."
)
SOUND_HINT = "Use some of: asset_id, fade_in, fade_out, from, path, start, to, volume."


def clip(**changes: Any) -> dict[str, Any]:
    return {"path": "a.mp4", "start": 0, "end": 4, **changes}


def scene(**changes: Any) -> dict[str, Any]:
    return {"video_path": "a.mp4", "start_time": 0, "end_time": 4, **changes}


def with_output(**output: Any) -> dict[str, Any]:
    return {"clips": [clip()], "output": output}


def with_scene(wrong: Any) -> dict[str, Any]:
    return {"scenes": [scene(), wrong]}


def with_clip(wrong: Any) -> dict[str, Any]:
    return {"clips": [clip(), clip(), wrong, clip(end=60)]}


def with_upper(wrong: Any) -> dict[str, Any]:
    return {"tracks": [[clip(end=30)], [{"gap": 1}, wrong]]}


def with_title(wrong: Any) -> dict[str, Any]:
    return {"clips": [clip()], "titles": [{"text": "a"}, wrong]}


def with_overlay(wrong: Any) -> dict[str, Any]:
    return {"clips": [clip()], "overlays": [{"path": "a.png"}, wrong]}


def with_sound(wrong: Any) -> dict[str, Any]:
    return {"clips": [clip()], "sounds": [{"path": "a.mp3"}, wrong]}


# fmt: off
DOCUMENT_REJECTIONS: list[Rejection] = [
    (None, "timeline_invalid", "A timeline must be an object, not None.", USUAL),
    ([], "timeline_invalid", "A timeline must be an object, not [].", USUAL),
    ("edit.json", "timeline_invalid", "A timeline must be an object, not 'edit.json'.", USUAL),
    ({}, "timeline_invalid", "A timeline needs clips.", "Give a list of them as clips or scenes."),
    ({"scenes": [scene()], "clips": [clip()]}, "timeline_invalid", "Unknown parameter: clips.", SCENES_HINT),
    ({"scenes": [scene()], "titles": []}, "timeline_invalid", "Unknown parameter: titles.", "Did you mean subtitles? " + SCENES_HINT),
    ({"scenes": [scene()], "output": {}}, "timeline_invalid", "Unknown parameter: output.", "Did you mean output_format? " + SCENES_HINT),
    ({"clips": [clip()], "transitions": True}, "timeline_invalid", "Unknown parameter: transitions.", "Did you mean captions? " + FULL_HINT),
    ({"clips": [clip()], "output_format": {}}, "timeline_invalid", "Unknown parameter: output_format.", "Did you mean output? " + FULL_HINT),
    ({"clips": [clip()], "zoom": 1, "angle": 2}, "timeline_invalid", "Unknown parameters: angle, zoom.", FULL_HINT),
    ({"clips": [clip()], "clip": 1}, "timeline_invalid", "Unknown parameter: clip.", "Did you mean clips? " + FULL_HINT),
    ({"clips": None}, "timeline_invalid", "A timeline needs clips.", "Give a list of them as clips or scenes."),
    ({"clips": "a.mp4"}, "timeline_invalid", "clips must be a list of clips, not 'a.mp4'.", USUAL),
    ({"clips": {"0": clip()}}, "timeline_invalid", "clips must be a list of clips, not {'0': {'end': 4, 'path': 'a.mp4', 'start': 0}}.", USUAL),
    ({"clips": []}, "timeline_empty", "There are no clips in this timeline.", USUAL),
    ({"clips": [{"gap": 2}, {"gap": 1}]}, "timeline_empty", "There are only gaps in this timeline.", USUAL),
    ({"clips": [clip()] * 10_001}, "timeline_too_long", "A timeline has at most 10000 clips, and this one has 10001.", PARTS_HINT),
    ({"clips": [clip(end=80_000)] * 2}, "timeline_too_long", "The video would be longer than 24 hours.", USUAL),
    ({"clips": [clip()], "tracks": [[clip()]]}, "timeline_invalid", "A timeline has either clips or tracks, not both.", "Leave one out."),
    ({"tracks": []}, "timeline_invalid", "tracks must be a list of 1 to 16 lists of clips, not [].", USUAL),
    ({"tracks": "a.mp4"}, "timeline_invalid", "tracks must be a list of 1 to 16 lists of clips, not 'a.mp4'.", USUAL),
    ({"tracks": [[clip()]] * 17}, "timeline_invalid", "tracks must be a list of 1 to 16 lists of clips, not [[{'end': 4, 'path': 'a.mp4', 'start': 0}], [{'end': 4, 'path': 'a.mp4', 'start….", USUAL),
    ({"tracks": [3]}, "timeline_invalid", "Track 0: it must be a list of clips, not 3.", USUAL),
    ({"tracks": [[]]}, "timeline_empty", "There are no clips in this timeline.", USUAL),
    ({"tracks": [[{"gap": 1}]]}, "timeline_empty", "There are only gaps in this timeline.", USUAL),
    ({"tracks": [[clip()], 3]}, "timeline_invalid", "Track 1: it must be a list of clips, not 3.", USUAL),
    ({"tracks": [[clip()], [{"gap": 1}] * 10_001]}, "timeline_too_long", "Track 1: a timeline has at most 10000 clips, and this one has 10001.", PARTS_HINT),
    ({"tracks": [[clip()] * 10_001]}, "timeline_too_long", "Track 0: a timeline has at most 10000 clips, and this one has 10001.", PARTS_HINT),
    ({"clips": [clip()], "subtitles": 3}, "timeline_invalid", "subtitles must be a text of 1 to 4096 characters, not 3.", USUAL),
    ({"clips": [clip()], "subtitles": ""}, "timeline_invalid", "subtitles must be a text of 1 to 4096 characters, not ''.", USUAL),
    ({"clips": [clip()], "captions": ["en"]}, "timeline_invalid", "captions must be a text of 1 to 4096 characters, not ['en'].", USUAL),
    ({"clips": [clip()], "captions": "e" * 5000}, "timeline_invalid", "captions must be a text of 1 to 4096 characters, not 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee.….", USUAL),
    ({"clips": [clip()], "subtitles": "a.srt", "captions": "en"}, "timeline_invalid", "A timeline burns in subtitles from a file or the videos' own captions, not both.", "Leave subtitles or captions out."),
    ({"clips": [clip()], "use_gpu": "yes"}, "timeline_invalid", "use_gpu must be true or false, not 'yes'.", USUAL),
    ({"clips": [clip()], "use_gpu": 1}, "timeline_invalid", "use_gpu must be true or false, not 1.", USUAL),
    ({"clips": [clip()], "background": "red"}, "timeline_invalid", "background must be a color such as #ff8800, not 'red'.", USUAL),
    ({"clips": [clip()], "background": "#ff880"}, "timeline_invalid", "background must be a color such as #ff8800, not '#ff880'.", USUAL),
    ({"clips": [clip()], "background": "#000000\n"}, "timeline_invalid", "background must be a color such as #ff8800, not '#000000\\n'.", USUAL),
    ({"clips": [clip()], "background": 0}, "timeline_invalid", "background must be a color such as #ff8800, not 0.", USUAL),
    ({"clips": [clip()], "output": "1080p"}, "timeline_invalid", "output must be an object with width, height and fps, not '1080p'.", USUAL),
    ({"clips": [clip()], "output": []}, "timeline_invalid", "output must be an object with width, height and fps, not [].", USUAL),
    (with_output(width=641), "timeline_invalid", "output.width must be an even number of pixels from 16 to 16384, not 641.", USUAL),
    (with_output(width="640"), "timeline_invalid", "output.width must be an even number of pixels from 16 to 16384, not '640'.", USUAL),
    (with_output(width=640.0), "timeline_invalid", "output.width must be an even number of pixels from 16 to 16384, not 640.0.", USUAL),
    (with_output(width=True), "timeline_invalid", "output.width must be an even number of pixels from 16 to 16384, not True.", USUAL),
    (with_output(width=8), "timeline_invalid", "output.width must be an even number of pixels from 16 to 16384, not 8.", USUAL),
    (with_output(width=10**5000), "timeline_invalid", "output.width must be an even number of pixels from 16 to 16384, not a number of thousands of digits.", USUAL),
    (with_output(height=0), "timeline_invalid", "output.height must be an even number of pixels from 16 to 16384, not 0.", USUAL),
    (with_output(height=20_000), "timeline_invalid", "output.height must be an even number of pixels from 16 to 16384, not 20000.", USUAL),
    (with_output(fps=0), "timeline_invalid", "output.fps must be a number of frames per second, above 0 and at most 240, such as 25, 23.976 or '30000/1001', not 0.", USUAL),
    (with_output(fps=-25), "timeline_invalid", "output.fps must be a number of frames per second, above 0 and at most 240, such as 25, 23.976 or '30000/1001', not -25.", USUAL),
    (with_output(fps=1000), "timeline_invalid", "output.fps must be a number of frames per second, above 0 and at most 240, such as 25, 23.976 or '30000/1001', not 1000.", USUAL),
    (with_output(fps="fast"), "timeline_invalid", "output.fps must be a number of frames per second, above 0 and at most 240, such as 25, 23.976 or '30000/1001', not 'fast'.", USUAL),
    (with_output(fps="25/0"), "timeline_invalid", "output.fps must be a number of frames per second, above 0 and at most 240, such as 25, 23.976 or '30000/1001', not '25/0'.", USUAL),
    (with_output(fps=True), "timeline_invalid", "output.fps must be a number of frames per second, above 0 and at most 240, such as 25, 23.976 or '30000/1001', not True.", USUAL),
    (with_output(fps=[25]), "timeline_invalid", "output.fps must be a number of frames per second, above 0 and at most 240, such as 25, 23.976 or '30000/1001', not [25].", USUAL),
    (with_output(fps=NAN), "timeline_invalid", "output.fps must be a number of frames per second, above 0 and at most 240, such as 25, 23.976 or '30000/1001', not nan.", USUAL),
    (with_output(fps="1e999999999"), "timeline_invalid", "output.fps must be a number of frames per second, above 0 and at most 240, such as 25, 23.976 or '30000/1001', not '1e999999999'.", USUAL),
    (with_output(fps=10**5000), "timeline_invalid", "output.fps must be a number of frames per second, above 0 and at most 240, such as 25, 23.976 or '30000/1001', not a number of thousands of digits.", USUAL),
    (with_output(framerate=25), "timeline_invalid", "Unknown parameter: output.framerate.", OUTPUT_HINT),
    (with_output(bitrate="5M", codec="h264"), "timeline_invalid", "Unknown parameters: output.bitrate, output.codec.", OUTPUT_HINT),
]
SCENE_REJECTIONS: list[Rejection] = [
    ({"scenes": None}, "timeline_invalid", "scenes must be a list of scenes, not None.", USUAL),
    ({"scenes": []}, "timeline_empty", "There are no clips in this timeline.", USUAL),
    ({"scenes": "a.mp4"}, "timeline_invalid", "scenes must be a list of scenes, not 'a.mp4'.", USUAL),
    ({"scenes": [scene()] * 10_001}, "timeline_too_long", "A timeline has at most 10000 clips, and this one has 10001.", PARTS_HINT),
    ({"scenes": [scene(), {"gap": 1}]}, "timeline_invalid", "Clip 1: unknown parameter: gap.", SCENE_HINT),
    (with_scene("a.mp4"), "timeline_invalid", "Clip 1: it must be an object with video_path, start_time and end_time, not 'a.mp4'.", USUAL),
    (with_scene({}), "clip_times_invalid", "Clip 1: start_time is missing.", USUAL),
    (with_scene(scene(path="a.mp4")), "timeline_invalid", "Clip 1: unknown parameter: path.", SCENE_HINT),
    (with_scene(scene(volume=1)), "timeline_invalid", "Clip 1: unknown parameter: volume.", SCENE_HINT),
    (with_scene(scene(video_path=None)), "clip_source_missing", "Clip 1: video_path is missing.", "Give the path of a video that the workers can read."),
    (with_scene(scene(video_path=7)), "timeline_invalid", "Clip 1: video_path must be a text of 1 to 4096 characters, not 7.", USUAL),
    (with_scene(scene(start_time=4)), "clip_times_invalid", "Clip 1: end_time must be after start_time, but it starts at 4 s and ends at 4 s.", USUAL),
    (with_scene(scene(start_time="soon")), "clip_times_invalid", "Clip 1: start_time must be a number of seconds from 0 to 1000000000, not 'soon'.", USUAL),
    (with_scene(scene(end_time=None)), "clip_times_invalid", "Clip 1: end_time must be a number of seconds from 0 to 1000000000, not None.", USUAL),
    ({"scenes": [scene()], "transitions": "fade"}, "timeline_invalid", "transitions must be true or false, not 'fade'.", USUAL),
    ({"scenes": [scene()], "transitions": 10**5000}, "timeline_invalid", "transitions must be true or false, not a number of thousands of digits.", USUAL),
    ({"scenes": [scene()], "use_gpu": "yes"}, "timeline_invalid", "use_gpu must be true or false, not 'yes'.", USUAL),
    ({"scenes": [scene()], "output_format": "1080p"}, "timeline_invalid", "output_format must be an object with width, height and fps, not '1080p'.", USUAL),
    ({"scenes": [scene()], "output_format": {"width": 641}}, "timeline_invalid", "output_format.width must be an even number of pixels from 16 to 16384, not 641.", USUAL),
    ({"scenes": [scene()], "output_format": {"size": 641}}, "timeline_invalid", "Unknown parameter: output_format.size.", OUTPUT_HINT),
]
CLIP_REJECTIONS: list[Rejection] = [
    (with_clip("a.mp4"), "timeline_invalid", "Clip 2: it must be an object with start and end and a path or an asset_id, or with gap, not 'a.mp4'.", USUAL),
    (with_clip(None), "timeline_invalid", "Clip 2: it must be an object with start and end and a path or an asset_id, or with gap, not None.", USUAL),
    (with_clip([]), "timeline_invalid", "Clip 2: it must be an object with start and end and a path or an asset_id, or with gap, not [].", USUAL),
    (with_clip({}), "clip_times_invalid", "Clip 2: start is missing.", USUAL),
    (with_clip({"path": "a.mp4"}), "clip_times_invalid", "Clip 2: start is missing.", USUAL),
    (with_clip({"path": "a.mp4", "start": 0}), "clip_times_invalid", "Clip 2: end is missing.", USUAL),
    (with_clip({"start": 0, "end": 1}), "clip_source_missing", "Clip 2: it has neither a path nor an asset_id.", SOURCE_HINT),
    (with_clip(clip(path=None)), "clip_source_missing", "Clip 2: it has neither a path nor an asset_id.", SOURCE_HINT),
    (with_clip(clip(asset_id="x")), "clip_source_missing", "Clip 2: it has both a path and an asset_id.", ONE_SOURCE_HINT),
    (with_clip(clip(path=3)), "timeline_invalid", "Clip 2: path must be a text of 1 to 4096 characters, not 3.", USUAL),
    (with_clip(clip(path="")), "timeline_invalid", "Clip 2: path must be a text of 1 to 4096 characters, not ''.", USUAL),
    (with_clip(clip(path="a" * 4097)), "timeline_invalid", "Clip 2: path must be a text of 1 to 4096 characters, not 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.….", USUAL),
    (with_clip({"asset_id": [], "start": 0, "end": 1}), "timeline_invalid", "Clip 2: asset_id must be a text of 1 to 4096 characters, not [].", USUAL),
    (with_clip(clip(vol=1)), "timeline_invalid", "Clip 2: unknown parameter: vol.", "Did you mean volume? " + CLIP_HINT),
    (with_clip(clip(vol=1, speed=2)), "timeline_invalid", "Clip 2: unknown parameters: speed, vol.", CLIP_HINT),
    (with_clip(clip(video_path="a.mp4")), "timeline_invalid", "Clip 2: unknown parameter: video_path.", CLIP_HINT),
    (with_clip(clip(start=-1)), "clip_times_invalid", "Clip 2: start must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_clip(clip(start=4)), "clip_times_invalid", "Clip 2: end must be after start, but it starts at 4 s and ends at 4 s.", USUAL),
    (with_clip(clip(start=5)), "clip_times_invalid", "Clip 2: end must be after start, but it starts at 5 s and ends at 4 s.", USUAL),
    (with_clip(clip(start=5.5, end="16/3")), "clip_times_invalid", "Clip 2: end must be after start, but it starts at 5.5 s and ends at 5.33333 s.", USUAL),
    (with_clip(clip(start=None)), "clip_times_invalid", "Clip 2: start must be a number of seconds from 0 to 1000000000, not None.", USUAL),
    (with_clip(clip(start=True)), "clip_times_invalid", "Clip 2: start must be a number of seconds from 0 to 1000000000, not True.", USUAL),
    (with_clip(clip(start=[1])), "clip_times_invalid", "Clip 2: start must be a number of seconds from 0 to 1000000000, not [1].", USUAL),
    (with_clip(clip(start="-1/2")), "clip_times_invalid", "Clip 2: start must be a number of seconds from 0 to 1000000000, not '-1/2'.", USUAL),
    (with_clip(clip(start=10**400)), "clip_times_invalid", "Clip 2: start must be a number of seconds from 0 to 1000000000, not 100000000000000000000000000000000000000000000000000000000000000000000000000000.….", USUAL),
    (with_clip(clip(start=10**5000)), "clip_times_invalid", "Clip 2: start must be a number of seconds from 0 to 1000000000, not a number of thousands of digits.", USUAL),
    (with_clip(clip(start=1e308)), "clip_times_invalid", "Clip 2: start must be a number of seconds from 0 to 1000000000, not 1e+308.", USUAL),
    (with_clip(clip(end="soon")), "clip_times_invalid", "Clip 2: end must be a number of seconds from 0 to 1000000000, not 'soon'.", USUAL),
    (with_clip(clip(end="00:10")), "clip_times_invalid", "Clip 2: end must be a number of seconds from 0 to 1000000000, not '00:10'.", USUAL),
    (with_clip(clip(end="1/0")), "clip_times_invalid", "Clip 2: end must be a number of seconds from 0 to 1000000000, not '1/0'.", USUAL),
    (with_clip(clip(end="1e999999999")), "clip_times_invalid", "Clip 2: end must be a number of seconds from 0 to 1000000000, not '1e999999999'.", USUAL),
    (with_clip(clip(end="")), "clip_times_invalid", "Clip 2: end must be a number of seconds from 0 to 1000000000, not ''.", USUAL),
    (with_clip(clip(end=NAN)), "clip_times_invalid", "Clip 2: end must be a number of seconds from 0 to 1000000000, not nan.", USUAL),
    (with_clip(clip(end=float("inf"))), "clip_times_invalid", "Clip 2: end must be a number of seconds from 0 to 1000000000, not inf.", USUAL),
    (with_clip(clip(end={"seconds": 4})), "clip_times_invalid", "Clip 2: end must be a number of seconds from 0 to 1000000000, not {'seconds': 4}.", USUAL),
    (with_clip(clip(end="s" * 300)), "clip_times_invalid", "Clip 2: end must be a number of seconds from 0 to 1000000000, not 'sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss.….", USUAL),
    (with_clip(clip(end=1_000_000_001)), "clip_times_invalid", "Clip 2: end must be a number of seconds from 0 to 1000000000, not 1000000001.", USUAL),
    (with_clip(clip(end=10**9)), "clip_times_invalid", "Clip 2: it is longer than 24 hours.", COUNTED),
    (with_clip(clip(volume=99)), "timeline_invalid", "Clip 2: volume must be a number from 0 to 16, not 99.", USUAL),
    (with_clip(clip(volume=-1)), "timeline_invalid", "Clip 2: volume must be a number from 0 to 16, not -1.", USUAL),
    (with_clip(clip(volume="loud")), "timeline_invalid", "Clip 2: volume must be a number from 0 to 16, not 'loud'.", USUAL),
    (with_clip(clip(fade_in=-1)), "timeline_invalid", "Clip 2: fade_in must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_clip(clip(fade_in=10**400)), "timeline_invalid", "Clip 2: fade_in must be a number of seconds from 0 to 1000000000, not 100000000000000000000000000000000000000000000000000000000000000000000000000000.….", USUAL),
    (with_clip(clip(fade_out="slow")), "timeline_invalid", "Clip 2: fade_out must be a number of seconds from 0 to 1000000000, not 'slow'.", USUAL),
    (with_clip(clip(fade_in=3, fade_out=2)), "clip_times_invalid", "Clip 2: its fades are longer than the clip itself.", COUNTED),
    (with_clip({"gap": 0}), "clip_times_invalid", "Clip 2: gap must be a number of seconds above 0 and at most 1000000000, not 0.", USUAL),
    (with_clip({"gap": -1}), "clip_times_invalid", "Clip 2: gap must be a number of seconds above 0 and at most 1000000000, not -1.", USUAL),
    (with_clip({"gap": None}), "clip_times_invalid", "Clip 2: gap must be a number of seconds above 0 and at most 1000000000, not None.", USUAL),
    (with_clip({"gap": "long"}), "clip_times_invalid", "Clip 2: gap must be a number of seconds above 0 and at most 1000000000, not 'long'.", USUAL),
    (with_clip({"gap": 1, "path": "a.mp4"}), "timeline_invalid", "Clip 2: unknown parameter: path.", GAP_HINT),
    (with_clip({"gap": 1, "volume": None}), "timeline_invalid", "Clip 2: unknown parameter: volume.", GAP_HINT),
    (with_clip({"gap": 1, "transition": "jump"}), "transition_unknown", "Clip 2: there is no transition called 'jump'.", TRANSITION_HINT),
    (with_clip(clip(transition="jump")), "transition_unknown", "Clip 2: there is no transition called 'jump'.", TRANSITION_HINT),
    (with_clip(clip(transition="custom")), "transition_unknown", "Clip 2: there is no transition called 'custom'.", TRANSITION_HINT),
    (with_clip(clip(transition="")), "timeline_invalid", "Clip 2: transition.kind must be a text of 1 to 4096 characters, not ''.", USUAL),
    (with_clip(clip(transition=3)), "timeline_invalid", "Clip 2: transition must be the name of a transition, or an object with kind and seconds, not 3.", USUAL),
    (with_clip(clip(transition=[])), "timeline_invalid", "Clip 2: transition must be the name of a transition, or an object with kind and seconds, not [].", USUAL),
    (with_clip(clip(transition={})), "timeline_invalid", "Clip 2: transition.kind is missing.", USUAL),
    (with_clip(clip(transition={"seconds": 1})), "timeline_invalid", "Clip 2: transition.kind is missing.", USUAL),
    (with_clip(clip(transition={"kind": None})), "timeline_invalid", "Clip 2: transition.kind must be a text of 1 to 4096 characters, not None.", USUAL),
    (with_clip(clip(transition={"kind": 3})), "timeline_invalid", "Clip 2: transition.kind must be a text of 1 to 4096 characters, not 3.", USUAL),
    (with_clip(clip(transition={"kind": "jump"})), "transition_unknown", "Clip 2: there is no transition called 'jump'.", TRANSITION_HINT),
    (with_clip(clip(transition={"kind": "jump", "seconds": -1})), "transition_unknown", "Clip 2: there is no transition called 'jump'.", TRANSITION_HINT),
    (with_clip(clip(transition={"kind": "fade", "seconds": -1})), "timeline_invalid", "Clip 2: transition.seconds must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_clip(clip(transition={"kind": "fade", "seconds": "one"})), "timeline_invalid", "Clip 2: transition.seconds must be a number of seconds from 0 to 1000000000, not 'one'.", USUAL),
    (with_clip(clip(transition={"kind": "fade", "seconds": 10**400})), "timeline_invalid", "Clip 2: transition.seconds must be a number of seconds from 0 to 1000000000, not 100000000000000000000000000000000000000000000000000000000000000000000000000000.….", USUAL),
    (with_clip(clip(transition={"kind": "fade", "length": 1})), "timeline_invalid", "Clip 2: unknown parameter: transition.length.", "Use some of: kind, seconds."),
    (with_clip(clip(transition={"kind": "fade", "seconds": 5})), "transition_too_long", "Clip 2: it lasts 4 s, and its transitions 5 s.", COUNTED),
    ({"clips": [clip(transition="fade"), clip(end=1, transition="fade"), clip()]}, "transition_too_long", "Clip 1: it lasts 1 s, and its transitions 2 s.", COUNTED),
]
UPPER_REJECTIONS: list[Rejection] = [
    (with_upper("a.mp4"), "timeline_invalid", "Track 1, clip 1: it must be an object with start and end and a path or an asset_id, or with gap, not 'a.mp4'.", USUAL),
    (with_upper({}), "clip_times_invalid", "Track 1, clip 1: start is missing.", USUAL),
    (with_upper(clip(start=4)), "clip_times_invalid", "Track 1, clip 1: end must be after start, but it starts at 4 s and ends at 4 s.", USUAL),
    (with_upper(clip(start=-1)), "clip_times_invalid", "Track 1, clip 1: start must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_upper(clip(vol=1)), "timeline_invalid", "Track 1, clip 1: unknown parameter: vol.", "Did you mean volume? " + CLIP_HINT),
    (with_upper(clip(transition="fade")), "timeline_invalid", "Track 1, clip 1: only the first track has transitions.", COUNTED),
    (with_upper(clip(transition="jump")), "transition_unknown", "Track 1, clip 1: there is no transition called 'jump'.", TRANSITION_HINT),
    (with_upper({"gap": 1, "transition": "fade"}), "timeline_invalid", "Track 1, clip 1: only the first track has transitions.", COUNTED),
    (with_upper(clip(fade_in=5)), "clip_times_invalid", "Track 1, clip 1: its fades are longer than the clip itself.", COUNTED),
    (with_upper({"gap": 0}), "clip_times_invalid", "Track 1, clip 1: gap must be a number of seconds above 0 and at most 1000000000, not 0.", USUAL),
    (with_upper(clip(path=None)), "clip_source_missing", "Track 1, clip 1: it has neither a path nor an asset_id.", SOURCE_HINT),
    ({"tracks": [[clip()], [clip(), clip()]]}, "clip_times_invalid", "Track 1, clip 1: the first track ends before it.", COUNTED),
    ({"tracks": [[clip(end=2)], [clip(end=4, fade_in=2, fade_out=2)]]}, "clip_times_invalid", "Track 1, clip 0: its fades are longer than what the first track leaves of it.", COUNTED),
    ({"tracks": [[clip()], [clip()], [{"gap": 5}, clip()]]}, "clip_times_invalid", "Track 2, clip 1: the first track ends before it.", COUNTED),
    ({"tracks": [[clip(), clip(start=9)]]}, "clip_times_invalid", "Clip 1: end must be after start, but it starts at 9 s and ends at 4 s.", USUAL),
    ({"tracks": [[clip(end=501)], *[[clip(end=0.5)] * 501] * 2]}, "timeline_too_long", "A timeline has at most 1000 overlays, and this one has 1002.", PARTS_HINT),
]
TITLE_REJECTIONS: list[Rejection] = [
    ({"clips": [clip()], "titles": {}}, "timeline_invalid", "titles must be a list, not {}.", USUAL),
    ({"clips": [clip()], "titles": [{"text": "a"}] * 1001}, "timeline_too_long", "A timeline has at most 1000 titles, and this one has 1001.", PARTS_HINT),
    (with_title("Hello"), "timeline_invalid", "Title 1: it must be an object with text, not 'Hello'.", USUAL),
    (with_title({}), "timeline_invalid", "Title 1: text is missing.", USUAL),
    (with_title({"text": ""}), "timeline_invalid", "Title 1: text must be a text of 1 to 4096 characters, not ''.", USUAL),
    (with_title({"text": 3}), "timeline_invalid", "Title 1: text must be a text of 1 to 4096 characters, not 3.", USUAL),
    (with_title({"text": " \n"}), "timeline_invalid", "Title 1: text must be a text with at least one visible character, not ' \\n'.", USUAL),
    (with_title({"text": "\u200b"}), "timeline_invalid", "Title 1: text must be a text with at least one visible character, not '\\u200b'.", USUAL),
    (with_title({"text": "a" * 5000}), "timeline_invalid", "Title 1: text must be a text of 1 to 4096 characters, not 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.….", USUAL),
    (with_title({"text": "a", "words": 1}), "timeline_invalid", "Title 1: unknown parameter: words.", TITLE_HINT),
    (with_title({"text": "a", "color": "#ff8800"}), "timeline_invalid", "Title 1: unknown parameter: color.", "Did you mean colour? " + TITLE_HINT),
    (with_title({"text": "a", "size": 0}), "timeline_invalid", "Title 1: size must be a number above 0 and at most 1, not 0.", USUAL),
    (with_title({"text": "a", "size": "3/2"}), "timeline_invalid", "Title 1: size must be a number above 0 and at most 1, not '3/2'.", USUAL),
    (with_title({"text": "a", "size": "big"}), "timeline_invalid", "Title 1: size must be a number above 0 and at most 1, not 'big'.", USUAL),
    (with_title({"text": "a", "colour": "#ff88001"}), "timeline_invalid", "Title 1: colour must be a color such as #ff8800, not '#ff88001'.", USUAL),
    (with_title({"text": "a", "colour": 3}), "timeline_invalid", "Title 1: colour must be a color such as #ff8800, not 3.", USUAL),
    (with_title({"text": "a", "place": "middle"}), "timeline_invalid", "Title 1: place must be one of bottom-left, bottom, bottom-right, left, center, right, top-left, top, top-right, not 'middle'.", USUAL),
    (with_title({"text": "a", "place": []}), "timeline_invalid", "Title 1: place must be one of bottom-left, bottom, bottom-right, left, center, right, top-left, top, top-right, not [].", USUAL),
    (with_title({"text": "a", "from": -1}), "timeline_invalid", "Title 1: from must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_title({"text": "a", "to": "end"}), "timeline_invalid", "Title 1: to must be a number of seconds from 0 to 1000000000, not 'end'.", USUAL),
    (with_title({"text": "a", "to": 0}), "title_times_invalid", "Title 1: to must be after from, but it begins at 0 s and ends at 0 s.", COUNTED),
    (with_title({"text": "a", "from": 2, "to": 1}), "title_times_invalid", "Title 1: to must be after from, but it begins at 2 s and ends at 1 s.", COUNTED),
    (with_title({"text": "a", "from": "1/3", "to": "1/3"}), "title_times_invalid", "Title 1: to must be after from, but it begins at 0.333333 s and ends at 0.333333 s.", COUNTED),
    (with_title({"text": "a", "from": 4, "to": 5}), "title_times_invalid", "Title 1: it begins at 4 s, and the video ends at 4 s.", COUNTED),
    (with_title({"text": "a", "from": 9}), "title_times_invalid", "Title 1: it begins at 9 s, and the video ends at 4 s.", COUNTED),
    (with_title({"text": "a", "from": 1, "to": 2, "fade_in": 0.6, "fade_out": 0.6}), "title_times_invalid", "Title 1: its fades are longer than the time it is there.", COUNTED),
    (with_title({"text": "a", "fade_in": "slow"}), "timeline_invalid", "Title 1: fade_in must be a number of seconds from 0 to 1000000000, not 'slow'.", USUAL),
]
OVERLAY_REJECTIONS: list[Rejection] = [
    ({"clips": [clip()], "overlays": "logo.png"}, "timeline_invalid", "overlays must be a list, not 'logo.png'.", USUAL),
    ({"clips": [clip()], "overlays": [{"path": "a.png"}] * 1001}, "timeline_too_long", "A timeline has at most 1000 overlays, and this one has 1001.", PARTS_HINT),
    ({"clips": [clip()], "overlays": [{"path": "a.png"}] * 10}, "overlays_too_many", "Overlay 8: it is one of 10 overlays that are visible at 0 s; at most 8 can be visible at once, or during one transition.", "Render some of them into a video of their own first."),
    (with_overlay("logo.png"), "timeline_invalid", "Overlay 1: it must be an object with a path or an asset_id, not 'logo.png'.", USUAL),
    (with_overlay({}), "overlay_source_missing", "Overlay 1: it has neither a path nor an asset_id.", SOURCE_HINT),
    (with_overlay({"path": "a.png", "asset_id": "a"}), "overlay_source_missing", "Overlay 1: it has both a path and an asset_id.", ONE_SOURCE_HINT),
    (with_overlay({"path": 3}), "timeline_invalid", "Overlay 1: path must be a text of 1 to 4096 characters, not 3.", USUAL),
    (with_overlay({"path": "a.png", "from": 2, "to": 1}), "overlay_times_invalid", "Overlay 1: to must be after from, but it begins at 2 s and ends at 1 s.", COUNTED),
    (with_overlay({"path": "a.png", "from": 9}), "overlay_times_invalid", "Overlay 1: it begins at 9 s, and the video ends at 4 s.", COUNTED),
    (with_overlay({"path": "a.png", "to": 1, "fade_in": 2}), "overlay_times_invalid", "Overlay 1: its fades are longer than the time it is there.", COUNTED),
    (with_overlay({"path": "a.png", "opacity": 0}), "timeline_invalid", "Overlay 1: opacity must be a number above 0 and at most 1, not 0.", USUAL),
    (with_overlay({"path": "a.png", "opacity": "half"}), "timeline_invalid", "Overlay 1: opacity must be a number above 0 and at most 1, not 'half'.", USUAL),
    (with_overlay({"path": "a.png", "size": 2}), "timeline_invalid", "Overlay 1: size must be a number above 0 and at most 1, not 2.", USUAL),
    (with_overlay({"path": "a.png", "start": -1}), "timeline_invalid", "Overlay 1: start must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_overlay({"path": "a.png", "place": "middle"}), "timeline_invalid", "Overlay 1: place must be one of bottom-left, bottom, bottom-right, left, center, right, top-left, top, top-right, not 'middle'.", USUAL),
    (with_overlay({"path": "a.png", "volume": 1}), "timeline_invalid", "Overlay 1: unknown parameter: volume.", OVERLAY_HINT),
    ({"clips": [clip()], "sounds": 3}, "timeline_invalid", "sounds must be a list, not 3.", USUAL),
    ({"clips": [clip()], "sounds": [{"path": "a.mp3"}] * 1001}, "timeline_too_long", "A timeline has at most 1000 sounds, and this one has 1001.", PARTS_HINT),
    (with_sound(None), "timeline_invalid", "Sound 1: it must be an object with a path or an asset_id, not None.", USUAL),
    (with_sound({}), "sound_source_missing", "Sound 1: it has neither a path nor an asset_id.", SOURCE_HINT),
    (with_sound({"path": "a.mp3", "asset_id": "a"}), "sound_source_missing", "Sound 1: it has both a path and an asset_id.", ONE_SOURCE_HINT),
    (with_sound({"path": "a.mp3", "from": 4}), "sound_times_invalid", "Sound 1: it begins at 4 s, and the video ends at 4 s.", COUNTED),
    (with_sound({"path": "a.mp3", "from": 3, "to": 2}), "sound_times_invalid", "Sound 1: to must be after from, but it begins at 3 s and ends at 2 s.", COUNTED),
    (with_sound({"path": "a.mp3", "volume": -1}), "timeline_invalid", "Sound 1: volume must be a number from 0 to 16, not -1.", USUAL),
    (with_sound({"path": "a.mp3", "start": "late"}), "timeline_invalid", "Sound 1: start must be a number of seconds from 0 to 1000000000, not 'late'.", USUAL),
    (with_sound({"path": "a.mp3", "fade_out": 9}), "sound_times_invalid", "Sound 1: its fades are longer than the time it is there.", COUNTED),
    (with_sound({"path": "a.mp3", "place": "top"}), "timeline_invalid", "Sound 1: unknown parameter: place.", SOUND_HINT),
    (with_sound({"asset_id": 5}), "timeline_invalid", "Sound 1: asset_id must be a text of 1 to 4096 characters, not 5.", USUAL),
]
# fmt: on
ALL = [
    *(DOCUMENT_REJECTIONS + SCENE_REJECTIONS + CLIP_REJECTIONS + UPPER_REJECTIONS),
    *(TITLE_REJECTIONS + OVERLAY_REJECTIONS),
]


@pytest.mark.parametrize(("document", "code", "sentence", "hint"), ALL, ids=range(len(ALL)))
def test_broken_timeline_is_rejected_with_code_message_and_hint(
    document: Any, code: str, sentence: str, hint: str
) -> None:
    with pytest.raises(InputRejected) as refused:
        read_timeline(document)
    error = refused.value
    assert (error.code, error.message, error.hint) == (code, sentence, hint)


def test_timeline_number_with_a_line_end_is_read() -> None:
    output = {"width": 320, "height": 180, "fps": "25\n"}
    timeline = read_timeline({"clips": [clip(start="0\n", end="5\n")], "output": output})
    assert timeline.clips[0].seconds == 5
    assert timeline.output.fps == 25


def test_too_many_upper_clips_are_rejected_before_any_is_read() -> None:
    """Sixteen tracks of ten thousand clips would otherwise become 150,000 objects."""
    tracks = [[clip()], *[[{"no": "clip"}] * 10_000] * 15]
    with pytest.raises(InputRejected, match="at most 1000 overlays, and this one has 150000"):
        read_timeline({"tracks": tracks})
