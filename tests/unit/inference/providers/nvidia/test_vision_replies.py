"""What vision models reply: JSON of a known shape, whole, without times of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.inference.providers.failures import ProviderReplyInvalid
from cinemill.inference.providers.nvidia.replies import SceneReply, read_scene
from cinemill.inference.providers.nvidia.spoken_times import remove_times

SCENE = {"description": "A man opens a red door.", "labels": ["man", "Red door", "red door"]}


def complete(content: Any = None, finish: Any = "stop", **members: Any) -> dict[str, Any]:
    content = json.dumps(SCENE) if content is None else content
    message = {"role": "assistant", "content": content}
    return {
        "id": "chat-1",
        "model": "nvidia/cosmos-reason2-8b",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 4600, "completion_tokens": 30, "total_tokens": 4630},
    } | members


def describe(description: str) -> str:
    return json.dumps({"description": description, "labels": []})


def read_code(document: Any) -> str:
    with pytest.raises(ProviderReplyInvalid) as refused:
        read_scene(document)
    return refused.value.code


def test_scene_is_read_with_its_model_and_tokens() -> None:
    assert read_scene(complete()) == SceneReply(
        description="A man opens a red door.",
        labels=("man", "red door"),
        model="nvidia/cosmos-reason2-8b",
        removed_times=0,
        prompt_tokens=4600,
        completion_tokens=30,
    )


@pytest.mark.parametrize(
    "wrapping",
    [
        "```json\n{}\n```",
        "```\n{}\n```",
        "<think>The door is red.\n</think>\n{}",
        "The door is red.\n</think>\n\n{}",
        "<think>Hm.</think><answer>\n{}\n</answer>",
        "  {}\n",
    ],
)
def test_scene_is_found_within_what_models_put_around_it(wrapping: str) -> None:
    content = wrapping.replace("{}", json.dumps(SCENE))
    assert read_scene(complete(content)).description == SCENE["description"]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (complete(finish="length"), "provider_reply_cut"),
        (complete(finish="content_filter"), "provider_reply_filtered"),
        (complete(finish=None), "provider_reply_invalid"),
        (complete(finish="tool_calls"), "provider_reply_invalid"),
        (complete(""), "provider_reply_empty"),
        (complete("   \n"), "provider_reply_empty"),
        (complete("<think>I see nothing.</think>"), "provider_reply_empty"),
        (complete(describe("")), "provider_reply_empty"),
        (complete(describe("... !")), "provider_reply_empty"),
        (complete(describe("From 0:01 to 0:09.")), "provider_reply_empty"),
        (complete(describe("\u200b\x00")), "provider_reply_empty"),
        (complete("A man opens a door."), "provider_reply_invalid"),
        (complete(json.dumps(SCENE)[:-10]), "provider_reply_invalid"),
        (complete(json.dumps(SCENE) * 2), "provider_reply_invalid"),
        (complete(json.dumps([SCENE])), "provider_reply_invalid"),
        (complete('{"description": "A door."}'), "provider_reply_invalid"),
        (complete('{"description": 7, "labels": []}'), "provider_reply_invalid"),
        (complete('{"description": "A door.", "labels": "door"}'), "provider_reply_invalid"),
        (complete('{"description": "A.", "labels": [1]}'), "provider_reply_invalid"),
        (complete("[" * 100_000), "provider_reply_invalid"),
        (complete("<think>never ends"), "provider_reply_invalid"),
        (
            complete(json.dumps({"description": "A.", "labels": ["x"] * 201})),
            "provider_reply_invalid",
        ),
        ({}, "provider_reply_invalid"),
        (complete(choices=[]), "provider_reply_invalid"),
        (complete(choices=[{"finish_reason": "stop"}]), "provider_reply_invalid"),
        (complete([{"type": "text", "text": "{}"}]), "provider_reply_invalid"),
        ({"error": {"message": "overloaded"}}, "provider_reply_invalid"),
    ],
)
def test_reply_that_is_not_whole_is_a_failure(document: Any, code: str) -> None:
    assert read_code(document) == code


def test_reply_without_content_is_empty() -> None:
    choice = {"message": {"content": None}, "finish_reason": "stop"}
    assert read_code(complete(choices=[choice])) == "provider_reply_empty"


def test_labels_are_bounded_and_say_something() -> None:
    labels = [
        "",
        "  ",
        "12.5s",
        "00:12",
        "Frame 7",
        "...",
        "A" * 500,
        *map("thing {}".format, "abc"),
    ]
    labels += [f"label {chr(97 + one // 26)}{chr(97 + one % 26)}" for one in range(60)]
    scene = read_scene(complete(json.dumps(SCENE | {"labels": labels})))
    assert scene.labels[:4] == ("a" * 80, "thing a", "thing b", "thing c")
    assert len(scene.labels) == 32


def test_description_is_bounded() -> None:
    scene = read_scene(complete(describe("word " * 5000)))
    assert len(scene.description) <= 2000


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ("At 00:12, a man opens a door.", "A man opens a door."),
        ("A man opens a door at 12.5 seconds.", "A man opens a door."),
        ("From 3s to 5s the car turns.", "The car turns."),
        ("The car turns between 3 and 5 seconds.", "The car turns."),
        ("[00:01:02.500] The car turns.", "The car turns."),
        ("The car turns (0:03 - 0:09), then stops.", "The car turns, then stops."),
        ("<12.3s> The car turns.", "The car turns."),
        ("After 20 seconds into the video, the car turns.", "The car turns."),
        ("In frame 12, the car turns.", "The car turns."),
        ("At the 0:45 mark, the car turns.", "The car turns."),
        ("At timestamp 14.5, the car turns.", "The car turns."),
        ("The car turns for about 2 minutes.", "The car turns."),
    ],
)
def test_times_of_a_model_are_removed(stated: str, kept: str) -> None:
    text, count = remove_times(stated)
    assert (text, count > 0) == (kept, True)


@pytest.mark.parametrize(
    "text",
    [
        "Two men carry 3 boxes up 12 steps.",
        "The score is 3:2 on a screen from 1998.",
        "Route 66, bus 7 and gate 14.",
        "A runner wears the number 10.",
        "The picture frames hang in rows.",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert remove_times(text) == (text, 0)


@given(
    minutes=st.integers(0, 99),
    seconds=st.integers(0, 59),
    tenths=st.integers(0, 9),
    form=st.sampled_from(["at {m}:{s:02d}", "[{m}:{s:02d}.{t}]", "after {s}.{t} s", "in {s} secs"]),
)
def test_no_clock_time_survives(minutes: int, seconds: int, tenths: int, form: str) -> None:
    stated = form.format(m=minutes, s=seconds, t=tenths)
    text, count = remove_times(f"The door opens {stated} and closes.")
    assert (text, count) == ("The door opens and closes.", 1)


@given(st.text(max_size=300))
def test_any_description_is_read_as_one_line(text: str) -> None:
    scene = read_scene(complete(describe(f"A door. {text}")))
    assert scene.description == " ".join(scene.description.split())
    assert scene.description.startswith("A door.")
