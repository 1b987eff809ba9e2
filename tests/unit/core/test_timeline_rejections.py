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
USUAL = InputRejected.way_on
COUNTED = "All are counted from 0; change this one."
TRANSITION_HINT = f"Use one of: cut, {', '.join(TRANSITIONS)}."
CLIP_HINT = "Use some of: asset_id, end, fade_in, fade_out, path, start, transition, volume."
GAP_HINT = "Use some of: gap, transition."
SCENE_HINT = "Use some of: end_time, start_time, video_path."
TITLE_HINT = "Use some of: colour, fade_in, fade_out, from, place, size, text, to."
OUTPUT_HINT = "Use some of: fps, height, width."
FULL_HINT = "Use some of: background, captions, clips, output, overlays, sounds, subtitles, titles, tracks, use_gpu."
SCENES_HINT = "Use some of: captions, output_format, scenes, subtitles, transitions, use_gpu."
PARTS_HINT = "Render it in parts, and the parts together."


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
    (None, "timeline_invalid", "A timeline is a dictionary with clips or scenes.", USUAL),
    ([], "timeline_invalid", "A timeline is a dictionary with clips or scenes.", USUAL),
    ("edit.json", "timeline_invalid", "A timeline is a dictionary with clips or scenes.", USUAL),
    ({}, "timeline_invalid", "Clips must be a list.", USUAL),
    ({"scenes": [scene()], "clips": [clip()]}, "timeline_invalid", "there is no clips here.", SCENES_HINT),
    ({"scenes": [scene()], "titles": []}, "timeline_invalid", "there is no titles here.", SCENES_HINT),
    ({"scenes": [scene()], "output": {}}, "timeline_invalid", "there is no output here.", SCENES_HINT),
    ({"clips": [clip()], "transitions": True}, "timeline_invalid", "there is no transitions here.", FULL_HINT),
    ({"clips": [clip()], "output_format": {}}, "timeline_invalid", "there is no output_format here.", FULL_HINT),
    ({"clips": [clip()], "zoom": 1, "angle": 2}, "timeline_invalid", "there is no angle, zoom here.", FULL_HINT),
    ({"clips": [clip()], "clip": 1}, "timeline_invalid", "there is no clip here.", FULL_HINT),
    ({"clips": None}, "timeline_invalid", "Clips must be a list.", USUAL),
    ({"clips": "a.mp4"}, "timeline_invalid", "Clips must be a list.", USUAL),
    ({"clips": {"0": clip()}}, "timeline_invalid", "Clips must be a list.", USUAL),
    ({"clips": []}, "timeline_empty", "There are no clips in this timeline.", USUAL),
    ({"clips": [{"gap": 2}, {"gap": 1}]}, "timeline_empty", "There are only gaps in this timeline.", USUAL),
    ({"clips": [clip()] * 10_001}, "timeline_too_long", "Clip 10000: a timeline has at most 10000 clips, this has 10001.", PARTS_HINT),
    ({"clips": [clip(end=80_000)] * 2}, "timeline_too_long", "The film would be longer than a day.", USUAL),
    ({"clips": [clip()], "tracks": [[clip()]]}, "timeline_invalid", "A timeline has clips or tracks, and not both.", USUAL),
    ({"tracks": []}, "timeline_invalid", "Tracks must be a list of 1 to 16 lists of clips.", USUAL),
    ({"tracks": "a.mp4"}, "timeline_invalid", "Tracks must be a list of 1 to 16 lists of clips.", USUAL),
    ({"tracks": [[clip()]] * 17}, "timeline_invalid", "Tracks must be a list of 1 to 16 lists of clips.", USUAL),
    ({"tracks": [3]}, "timeline_invalid", "Clips must be a list.", USUAL),
    ({"tracks": [[]]}, "timeline_empty", "There are no clips in this timeline.", USUAL),
    ({"tracks": [[{"gap": 1}]]}, "timeline_empty", "There are only gaps in this timeline.", USUAL),
    ({"tracks": [[clip()], 3]}, "timeline_invalid", "Track 1: it must be a list of clips.", USUAL),
    ({"tracks": [[clip()], [{"gap": 1}] * 10_001]}, "timeline_too_long", "Track 1: a timeline has at most 10000 clips, this has 10001.", PARTS_HINT),
    ({"tracks": [[clip()] * 10_001]}, "timeline_too_long", "Clip 10000: a timeline has at most 10000 clips, this has 10001.", PARTS_HINT),
    ({"clips": [clip()], "subtitles": 3}, "timeline_invalid", "Subtitles must be a text of at most 4096 characters, not 3.", USUAL),
    ({"clips": [clip()], "subtitles": ""}, "timeline_invalid", "Subtitles must be a text of at most 4096 characters, not ''.", USUAL),
    ({"clips": [clip()], "captions": ["en"]}, "timeline_invalid", "Captions must be a text of at most 4096 characters, not ['en'].", USUAL),
    ({"clips": [clip()], "captions": "e" * 5000}, "timeline_invalid", "Captions must be a text of at most 4096 characters, not 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee.….", USUAL),
    ({"clips": [clip()], "subtitles": "a.srt", "captions": "en"}, "timeline_invalid", "A timeline has subtitles of a file or its films' captions, not both.", USUAL),
    ({"clips": [clip()], "use_gpu": "yes"}, "timeline_invalid", "Use_gpu must be True or False, not 'yes'.", USUAL),
    ({"clips": [clip()], "use_gpu": 1}, "timeline_invalid", "Use_gpu must be True or False, not 1.", USUAL),
    ({"clips": [clip()], "background": "red"}, "timeline_invalid", "Background must be a colour such as #ff8800, not 'red'.", USUAL),
    ({"clips": [clip()], "background": "#ff880"}, "timeline_invalid", "Background must be a colour such as #ff8800, not '#ff880'.", USUAL),
    ({"clips": [clip()], "background": "#000000\n"}, "timeline_invalid", "Background must be a colour such as #ff8800, not '#000000\\n'.", USUAL),
    ({"clips": [clip()], "background": 0}, "timeline_invalid", "Background must be a colour such as #ff8800, not 0.", USUAL),
    ({"clips": [clip()], "output": "1080p"}, "timeline_invalid", "The output format is a dictionary with width, height and fps.", USUAL),
    ({"clips": [clip()], "output": []}, "timeline_invalid", "The output format is a dictionary with width, height and fps.", USUAL),
    (with_output(width=641), "timeline_invalid", "Width must be an even number of pixels from 16 to 16384, not 641.", USUAL),
    (with_output(width="640"), "timeline_invalid", "Width must be an even number of pixels from 16 to 16384, not '640'.", USUAL),
    (with_output(width=640.0), "timeline_invalid", "Width must be an even number of pixels from 16 to 16384, not 640.0.", USUAL),
    (with_output(width=True), "timeline_invalid", "Width must be an even number of pixels from 16 to 16384, not True.", USUAL),
    (with_output(width=8), "timeline_invalid", "Width must be an even number of pixels from 16 to 16384, not 8.", USUAL),
    (with_output(width=10**5000), "timeline_invalid", "Width must be an even number of pixels from 16 to 16384, not a number of thousands of digits.", USUAL),
    (with_output(height=0), "timeline_invalid", "Height must be an even number of pixels from 16 to 16384, not 0.", USUAL),
    (with_output(height=20_000), "timeline_invalid", "Height must be an even number of pixels from 16 to 16384, not 20000.", USUAL),
    (with_output(fps=0), "timeline_invalid", "Fps must be frames a second, above 0 and at most 240, not 0.", USUAL),
    (with_output(fps=-25), "timeline_invalid", "Fps must be frames a second, above 0 and at most 240, not -25.", USUAL),
    (with_output(fps=1000), "timeline_invalid", "Fps must be frames a second, above 0 and at most 240, not 1000.", USUAL),
    (with_output(fps="fast"), "timeline_invalid", "Fps must be frames a second, above 0 and at most 240, not 'fast'.", USUAL),
    (with_output(fps="25/0"), "timeline_invalid", "Fps must be frames a second, above 0 and at most 240, not '25/0'.", USUAL),
    (with_output(fps=True), "timeline_invalid", "Fps must be frames a second, above 0 and at most 240, not True.", USUAL),
    (with_output(fps=[25]), "timeline_invalid", "Fps must be frames a second, above 0 and at most 240, not [25].", USUAL),
    (with_output(fps=NAN), "timeline_invalid", "Fps must be frames a second, above 0 and at most 240, not nan.", USUAL),
    (with_output(fps="1e999999999"), "timeline_invalid", "Fps must be frames a second, above 0 and at most 240, not '1e999999999'.", USUAL),
    (with_output(fps=10**5000), "timeline_invalid", "Fps must be frames a second, above 0 and at most 240, not a number of thousands of digits.", USUAL),
    (with_output(framerate=25), "timeline_invalid", "there is no framerate here.", OUTPUT_HINT),
    (with_output(bitrate="5M", codec="h264"), "timeline_invalid", "there is no bitrate, codec here.", OUTPUT_HINT),
]
SCENE_REJECTIONS: list[Rejection] = [
    ({"scenes": None}, "timeline_invalid", "Scenes must be a list.", USUAL),
    ({"scenes": []}, "timeline_empty", "There are no clips in this timeline.", USUAL),
    ({"scenes": "a.mp4"}, "timeline_invalid", "Scenes must be a list.", USUAL),
    ({"scenes": [scene()] * 10_001}, "timeline_too_long", "Clip 10000: a timeline has at most 10000 clips, this has 10001.", PARTS_HINT),
    ({"scenes": [scene(), {"gap": 1}]}, "timeline_invalid", "Clip 1: there is no gap here.", SCENE_HINT),
    (with_scene("a.mp4"), "timeline_invalid", "Clip 1: a scene is a dictionary.", USUAL),
    (with_scene({}), "clip_times_invalid", "Clip 1: it has no start.", USUAL),
    (with_scene(scene(path="a.mp4")), "timeline_invalid", "Clip 1: there is no path here.", SCENE_HINT),
    (with_scene(scene(volume=1)), "timeline_invalid", "Clip 1: there is no volume here.", SCENE_HINT),
    (with_scene(scene(video_path=None)), "clip_source_missing", "Clip 1: it needs a path or an asset_id, and not both.", USUAL),
    (with_scene(scene(video_path=7)), "timeline_invalid", "Clip 1: path must be a text of at most 4096 characters, not 7.", USUAL),
    (with_scene(scene(start_time=4)), "clip_times_invalid", "Clip 1: it ends at 4 s and starts at 4 s.", USUAL),
    (with_scene(scene(start_time="soon")), "clip_times_invalid", "Clip 1: start must be a number of seconds from 0 to 1000000000, not 'soon'.", USUAL),
    (with_scene(scene(end_time=None)), "clip_times_invalid", "Clip 1: it has no end.", USUAL),
    ({"scenes": [scene()], "transitions": "fade"}, "timeline_invalid", "Transitions must be True or False, not 'fade'.", USUAL),
    ({"scenes": [scene()], "transitions": 10**5000}, "timeline_invalid", "Transitions must be True or False, not a number of thousands of digits.", USUAL),
    ({"scenes": [scene()], "use_gpu": "yes"}, "timeline_invalid", "Use_gpu must be True or False, not 'yes'.", USUAL),
    ({"scenes": [scene()], "output_format": "1080p"}, "timeline_invalid", "The output format is a dictionary with width, height and fps.", USUAL),
    ({"scenes": [scene()], "output_format": {"width": 641}}, "timeline_invalid", "Width must be an even number of pixels from 16 to 16384, not 641.", USUAL),
    ({"scenes": [scene()], "output_format": {"size": 641}}, "timeline_invalid", "there is no size here.", OUTPUT_HINT),
]
CLIP_REJECTIONS: list[Rejection] = [
    (with_clip("a.mp4"), "timeline_invalid", "Clip 2: a clip is a dictionary.", USUAL),
    (with_clip(None), "timeline_invalid", "Clip 2: a clip is a dictionary.", USUAL),
    (with_clip([]), "timeline_invalid", "Clip 2: a clip is a dictionary.", USUAL),
    (with_clip({}), "clip_times_invalid", "Clip 2: it has no start.", USUAL),
    (with_clip({"path": "a.mp4"}), "clip_times_invalid", "Clip 2: it has no start.", USUAL),
    (with_clip({"path": "a.mp4", "start": 0}), "clip_times_invalid", "Clip 2: it has no end.", USUAL),
    (with_clip({"start": 0, "end": 1}), "clip_source_missing", "Clip 2: it needs a path or an asset_id, and not both.", USUAL),
    (with_clip(clip(path=None)), "clip_source_missing", "Clip 2: it needs a path or an asset_id, and not both.", USUAL),
    (with_clip(clip(asset_id="x")), "clip_source_missing", "Clip 2: it needs a path or an asset_id, and not both.", USUAL),
    (with_clip(clip(path=3)), "timeline_invalid", "Clip 2: path must be a text of at most 4096 characters, not 3.", USUAL),
    (with_clip(clip(path="")), "timeline_invalid", "Clip 2: path must be a text of at most 4096 characters, not ''.", USUAL),
    (with_clip(clip(path="a" * 4097)), "timeline_invalid", "Clip 2: path must be a text of at most 4096 characters, not 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.….", USUAL),
    (with_clip({"asset_id": [], "start": 0, "end": 1}), "timeline_invalid", "Clip 2: asset_id must be a text of at most 4096 characters, not [].", USUAL),
    (with_clip(clip(vol=1)), "timeline_invalid", "Clip 2: there is no vol here.", CLIP_HINT),
    (with_clip(clip(vol=1, speed=2)), "timeline_invalid", "Clip 2: there is no speed, vol here.", CLIP_HINT),
    (with_clip(clip(video_path="a.mp4")), "timeline_invalid", "Clip 2: there is no video_path here.", CLIP_HINT),
    (with_clip(clip(start=-1)), "clip_times_invalid", "Clip 2: start must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_clip(clip(start=4)), "clip_times_invalid", "Clip 2: it ends at 4 s and starts at 4 s.", USUAL),
    (with_clip(clip(start=5)), "clip_times_invalid", "Clip 2: it ends at 4 s and starts at 5 s.", USUAL),
    (with_clip(clip(start=5.5, end="16/3")), "clip_times_invalid", "Clip 2: it ends at 5.33333 s and starts at 5.5 s.", USUAL),
    (with_clip(clip(start=None)), "clip_times_invalid", "Clip 2: it has no start.", USUAL),
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
    (with_clip(clip(end=10**9)), "clip_times_invalid", "Clip 2: it is longer than a day.", COUNTED),
    (with_clip(clip(volume=99)), "timeline_invalid", "Clip 2: volume must be a number from 0 to 16, not 99.", USUAL),
    (with_clip(clip(volume=-1)), "timeline_invalid", "Clip 2: volume must be a number from 0 to 16, not -1.", USUAL),
    (with_clip(clip(volume="loud")), "timeline_invalid", "Clip 2: volume must be a number from 0 to 16, not 'loud'.", USUAL),
    (with_clip(clip(fade_in=-1)), "timeline_invalid", "Clip 2: fade_in must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_clip(clip(fade_in=10**400)), "timeline_invalid", "Clip 2: fade_in must be a number of seconds from 0 to 1000000000, not 100000000000000000000000000000000000000000000000000000000000000000000000000000.….", USUAL),
    (with_clip(clip(fade_out="slow")), "timeline_invalid", "Clip 2: fade_out must be a number of seconds from 0 to 1000000000, not 'slow'.", USUAL),
    (with_clip(clip(fade_in=3, fade_out=2)), "clip_times_invalid", "Clip 2: its fades are longer than itself.", COUNTED),
    (with_clip({"gap": 0}), "clip_times_invalid", "Clip 2: a gap of no length.", USUAL),
    (with_clip({"gap": -1}), "clip_times_invalid", "Clip 2: gap must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_clip({"gap": None}), "clip_times_invalid", "Clip 2: it has no gap.", USUAL),
    (with_clip({"gap": "long"}), "clip_times_invalid", "Clip 2: gap must be a number of seconds from 0 to 1000000000, not 'long'.", USUAL),
    (with_clip({"gap": 1, "path": "a.mp4"}), "timeline_invalid", "Clip 2: there is no path here.", GAP_HINT),
    (with_clip({"gap": 1, "volume": None}), "timeline_invalid", "Clip 2: there is no volume here.", GAP_HINT),
    (with_clip({"gap": 1, "transition": "jump"}), "transition_unknown", "Clip 2: there is no transition called 'jump'.", TRANSITION_HINT),
    (with_clip(clip(transition="jump")), "transition_unknown", "Clip 2: there is no transition called 'jump'.", TRANSITION_HINT),
    (with_clip(clip(transition="custom")), "transition_unknown", "Clip 2: there is no transition called 'custom'.", TRANSITION_HINT),
    (with_clip(clip(transition="")), "timeline_invalid", "Clip 2: kind must be a text of at most 4096 characters, not ''.", USUAL),
    (with_clip(clip(transition=3)), "timeline_invalid", "Clip 2: a transition is a dictionary with kind and seconds.", USUAL),
    (with_clip(clip(transition=[])), "timeline_invalid", "Clip 2: a transition is a dictionary with kind and seconds.", USUAL),
    (with_clip(clip(transition={})), "timeline_invalid", "Clip 2: it has no kind.", USUAL),
    (with_clip(clip(transition={"seconds": 1})), "timeline_invalid", "Clip 2: it has no kind.", USUAL),
    (with_clip(clip(transition={"kind": None})), "timeline_invalid", "Clip 2: it has no kind.", USUAL),
    (with_clip(clip(transition={"kind": 3})), "timeline_invalid", "Clip 2: kind must be a text of at most 4096 characters, not 3.", USUAL),
    (with_clip(clip(transition={"kind": "jump"})), "transition_unknown", "Clip 2: there is no transition called 'jump'.", TRANSITION_HINT),
    (with_clip(clip(transition={"kind": "jump", "seconds": -1})), "timeline_invalid", "Clip 2: seconds must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_clip(clip(transition={"kind": "fade", "seconds": -1})), "timeline_invalid", "Clip 2: seconds must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_clip(clip(transition={"kind": "fade", "seconds": "one"})), "timeline_invalid", "Clip 2: seconds must be a number of seconds from 0 to 1000000000, not 'one'.", USUAL),
    (with_clip(clip(transition={"kind": "fade", "seconds": 10**400})), "timeline_invalid", "Clip 2: seconds must be a number of seconds from 0 to 1000000000, not 100000000000000000000000000000000000000000000000000000000000000000000000000000.….", USUAL),
    (with_clip(clip(transition={"kind": "fade", "length": 1})), "timeline_invalid", "Clip 2: there is no length here.", "Use some of: kind, seconds."),
    (with_clip(clip(transition={"kind": "fade", "seconds": 5})), "transition_too_long", "Clip 2: it lasts 4 s, and its transitions 5 s.", COUNTED),
    ({"clips": [clip(transition="fade"), clip(end=1, transition="fade"), clip()]}, "transition_too_long", "Clip 1: it lasts 1 s, and its transitions 2 s.", COUNTED),
]
UPPER_REJECTIONS: list[Rejection] = [
    (with_upper("a.mp4"), "timeline_invalid", "Track 1, clip 1: a clip is a dictionary.", USUAL),
    (with_upper({}), "clip_times_invalid", "Track 1, clip 1: it has no start.", USUAL),
    (with_upper(clip(start=4)), "clip_times_invalid", "Track 1, clip 1: it ends at 4 s and starts at 4 s.", USUAL),
    (with_upper(clip(start=-1)), "clip_times_invalid", "Track 1, clip 1: start must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_upper(clip(vol=1)), "timeline_invalid", "Track 1, clip 1: there is no vol here.", CLIP_HINT),
    (with_upper(clip(transition="fade")), "timeline_invalid", "Track 1, clip 1: only the first track has transitions.", USUAL),
    (with_upper(clip(transition="jump")), "transition_unknown", "Track 1, clip 1: there is no transition called 'jump'.", TRANSITION_HINT),
    (with_upper({"gap": 1, "transition": "fade"}), "timeline_invalid", "Track 1, clip 1: only the first track has transitions.", USUAL),
    (with_upper(clip(fade_in=5)), "clip_times_invalid", "Track 1, clip 1: its fades are longer than itself.", USUAL),
    (with_upper({"gap": 0}), "clip_times_invalid", "Track 1, clip 1: a gap of no length.", USUAL),
    (with_upper(clip(path=None)), "clip_source_missing", "Track 1, clip 1: it needs a path or an asset_id, and not both.", USUAL),
    ({"tracks": [[clip()], [clip(), clip()]]}, "clip_times_invalid", "Track 1, clip 1: the first track ends before it.", COUNTED),
    ({"tracks": [[clip(end=2)], [clip(end=4, fade_in=2, fade_out=2)]]}, "clip_times_invalid", "Track 1, clip 0: its fades are longer than what the first track leaves of it.", COUNTED),
    ({"tracks": [[clip()], [clip()], [{"gap": 5}, clip()]]}, "clip_times_invalid", "Track 2, clip 1: the first track ends before it.", COUNTED),
    ({"tracks": [[clip(), clip(start=9)]]}, "clip_times_invalid", "Clip 1: it ends at 4 s and starts at 9 s.", USUAL),
    ({"tracks": [[clip(end=501)], *[[clip(end=0.5)] * 501] * 2]}, "timeline_too_long", "A timeline has at most 1000 overlays, this has 1002.", PARTS_HINT),
]
TITLE_REJECTIONS: list[Rejection] = [
    ({"clips": [clip()], "titles": {}}, "timeline_invalid", "Titles must be a list.", USUAL),
    ({"clips": [clip()], "titles": [{"text": "a"}] * 1001}, "timeline_too_long", "A timeline has at most 1000 titles, this has 1001.", PARTS_HINT),
    (with_title("Hello"), "timeline_invalid", "Title 1: a title is a dictionary.", USUAL),
    (with_title({}), "timeline_invalid", "Title 1: it has no text.", USUAL),
    (with_title({"text": ""}), "timeline_invalid", "Title 1: text must be a text of at most 4096 characters, not ''.", USUAL),
    (with_title({"text": 3}), "timeline_invalid", "Title 1: text must be a text of at most 4096 characters, not 3.", USUAL),
    (with_title({"text": " \n"}), "timeline_invalid", "Title 1: text must be a text with something in it to be seen, not ' \\n'.", USUAL),
    (with_title({"text": "\u200b"}), "timeline_invalid", "Title 1: text must be a text with something in it to be seen, not '\\u200b'.", USUAL),
    (with_title({"text": "a" * 5000}), "timeline_invalid", "Title 1: text must be a text of at most 4096 characters, not 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.….", USUAL),
    (with_title({"text": "a", "words": 1}), "timeline_invalid", "Title 1: there is no words here.", TITLE_HINT),
    (with_title({"text": "a", "color": "#ff8800"}), "timeline_invalid", "Title 1: there is no color here.", TITLE_HINT),
    (with_title({"text": "a", "size": 0}), "timeline_invalid", "Title 1: size must be a share of the whole, above 0 and at most 1, not 0.", USUAL),
    (with_title({"text": "a", "size": "3/2"}), "timeline_invalid", "Title 1: size must be a share of the whole, above 0 and at most 1, not '3/2'.", USUAL),
    (with_title({"text": "a", "size": "big"}), "timeline_invalid", "Title 1: size must be a share of the whole, above 0 and at most 1, not 'big'.", USUAL),
    (with_title({"text": "a", "colour": "#ff88001"}), "timeline_invalid", "Title 1: colour must be a colour such as #ff8800, not '#ff88001'.", USUAL),
    (with_title({"text": "a", "colour": 3}), "timeline_invalid", "Title 1: colour must be a colour such as #ff8800, not 3.", USUAL),
    (with_title({"text": "a", "place": "middle"}), "timeline_invalid", "Title 1: place must be one of bottom-left, bottom, bottom-right, left, center, right, top-left, top, top-right, not 'middle'.", USUAL),
    (with_title({"text": "a", "place": []}), "timeline_invalid", "Title 1: place must be one of bottom-left, bottom, bottom-right, left, center, right, top-left, top, top-right, not [].", USUAL),
    (with_title({"text": "a", "from": -1}), "timeline_invalid", "Title 1: from must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_title({"text": "a", "to": "end"}), "timeline_invalid", "Title 1: to must be a number of seconds from 0 to 1000000000, not 'end'.", USUAL),
    (with_title({"text": "a", "to": 0}), "title_times_invalid", "Title 1: it ends at 0 s and begins at 0 s.", USUAL),
    (with_title({"text": "a", "from": 2, "to": 1}), "title_times_invalid", "Title 1: it ends at 1 s and begins at 2 s.", USUAL),
    (with_title({"text": "a", "from": "1/3", "to": "1/3"}), "title_times_invalid", "Title 1: it ends at 0.333333 s and begins at 0.333333 s.", USUAL),
    (with_title({"text": "a", "from": 4, "to": 5}), "title_times_invalid", "Title 1: the film ends at 4 s, before it begins.", USUAL),
    (with_title({"text": "a", "from": 9}), "title_times_invalid", "Title 1: it ends at 4 s and begins at 9 s.", USUAL),
    (with_title({"text": "a", "from": 1, "to": 2, "fade_in": 0.6, "fade_out": 0.6}), "title_times_invalid", "Title 1: its fades are longer than itself.", USUAL),
    (with_title({"text": "a", "fade_in": "slow"}), "timeline_invalid", "Title 1: fade_in must be a number of seconds from 0 to 1000000000, not 'slow'.", USUAL),
]
OVERLAY_REJECTIONS: list[Rejection] = [
    ({"clips": [clip()], "overlays": "logo.png"}, "timeline_invalid", "Overlays must be a list.", USUAL),
    ({"clips": [clip()], "overlays": [{"path": "a.png"}] * 1001}, "timeline_too_long", "A timeline has at most 1000 overlays, this has 1001.", PARTS_HINT),
    ({"clips": [clip()], "overlays": [{"path": "a.png"}] * 10}, "overlays_too_many", "Overlay 8: it is one of 10 overlays that are seen at 0 s; at most 8 can be at once, or during one transition.", "Put some of them into a film of their own first."),
    (with_overlay("logo.png"), "timeline_invalid", "Overlay 1: a overlay is a dictionary.", USUAL),
    (with_overlay({}), "overlay_source_missing", "Overlay 1: it needs a path or an asset_id, and not both.", USUAL),
    (with_overlay({"path": "a.png", "asset_id": "a"}), "overlay_source_missing", "Overlay 1: it needs a path or an asset_id, and not both.", USUAL),
    (with_overlay({"path": 3}), "timeline_invalid", "Overlay 1: path must be a text of at most 4096 characters, not 3.", USUAL),
    (with_overlay({"path": "a.png", "from": 2, "to": 1}), "overlay_times_invalid", "Overlay 1: it ends at 1 s and begins at 2 s.", USUAL),
    (with_overlay({"path": "a.png", "from": 9}), "overlay_times_invalid", "Overlay 1: it ends at 4 s and begins at 9 s.", USUAL),
    (with_overlay({"path": "a.png", "to": 1, "fade_in": 2}), "overlay_times_invalid", "Overlay 1: its fades are longer than itself.", USUAL),
    (with_overlay({"path": "a.png", "opacity": 0}), "timeline_invalid", "Overlay 1: opacity must be a share of the whole, above 0 and at most 1, not 0.", USUAL),
    (with_overlay({"path": "a.png", "opacity": "half"}), "timeline_invalid", "Overlay 1: opacity must be a share of the whole, above 0 and at most 1, not 'half'.", USUAL),
    (with_overlay({"path": "a.png", "size": 2}), "timeline_invalid", "Overlay 1: size must be a share of the whole, above 0 and at most 1, not 2.", USUAL),
    (with_overlay({"path": "a.png", "start": -1}), "timeline_invalid", "Overlay 1: start must be a number of seconds from 0 to 1000000000, not -1.", USUAL),
    (with_overlay({"path": "a.png", "place": "middle"}), "timeline_invalid", "Overlay 1: place must be one of bottom-left, bottom, bottom-right, left, center, right, top-left, top, top-right, not 'middle'.", USUAL),
    (with_overlay({"path": "a.png", "volume": 1}), "timeline_invalid", "Overlay 1: there is no volume here.", "Use some of: asset_id, fade_in, fade_out, from, opacity, path, place, size, start, to."),
    ({"clips": [clip()], "sounds": 3}, "timeline_invalid", "Sounds must be a list.", USUAL),
    ({"clips": [clip()], "sounds": [{"path": "a.mp3"}] * 1001}, "timeline_too_long", "A timeline has at most 1000 sounds, this has 1001.", PARTS_HINT),
    (with_sound(None), "timeline_invalid", "Sound 1: a sound is a dictionary.", USUAL),
    (with_sound({}), "sound_source_missing", "Sound 1: it needs a path or an asset_id, and not both.", USUAL),
    (with_sound({"path": "a.mp3", "asset_id": "a"}), "sound_source_missing", "Sound 1: it needs a path or an asset_id, and not both.", USUAL),
    (with_sound({"path": "a.mp3", "from": 4}), "sound_times_invalid", "Sound 1: it ends at 4 s and begins at 4 s.", USUAL),
    (with_sound({"path": "a.mp3", "from": 3, "to": 2}), "sound_times_invalid", "Sound 1: it ends at 2 s and begins at 3 s.", USUAL),
    (with_sound({"path": "a.mp3", "volume": -1}), "timeline_invalid", "Sound 1: volume must be a number from 0 to 16, not -1.", USUAL),
    (with_sound({"path": "a.mp3", "start": "late"}), "timeline_invalid", "Sound 1: start must be a number of seconds from 0 to 1000000000, not 'late'.", USUAL),
    (with_sound({"path": "a.mp3", "fade_out": 9}), "sound_times_invalid", "Sound 1: its fades are longer than itself.", USUAL),
    (with_sound({"path": "a.mp3", "place": "top"}), "timeline_invalid", "Sound 1: there is no place here.", "Use some of: asset_id, fade_in, fade_out, from, path, start, to, volume."),
    (with_sound({"asset_id": 5}), "timeline_invalid", "Sound 1: asset_id must be a text of at most 4096 characters, not 5.", USUAL),
]
# fmt: on
ALL = [
    *(DOCUMENT_REJECTIONS + SCENE_REJECTIONS + CLIP_REJECTIONS + UPPER_REJECTIONS),
    *(TITLE_REJECTIONS + OVERLAY_REJECTIONS),
]


@pytest.mark.parametrize(("document", "code", "sentence", "hint"), ALL, ids=range(len(ALL)))
def test_a_broken_timeline_is_rejected_with_code_sentence_and_hint(
    document: Any, code: str, sentence: str, hint: str
) -> None:
    with pytest.raises(InputRejected) as refused:
        read_timeline(document)
    error = refused.value
    assert (error.code, error.message, error.way_on) == (code, sentence, hint)
