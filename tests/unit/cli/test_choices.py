"""What options offer: in help, in completion, and in the error for anything else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import parse_qsl, urlsplit

import pytest
import typer

from cinemill.capabilities.captions import request as speech
from cinemill.capability.composition import compose
from cinemill.catalog import BUILT_IN, UNOWNED_QUEUES
from cinemill.cli.arguments import choices, environment
from cinemill.cli.arguments.help_pages import SECTIONS
from cinemill.cli.arguments.usage import suggest
from cinemill.cli.main import app
from cinemill.config.model import public_names
from cinemill.config.sources import is_of_others
from cinemill.core.encoding.rendition import Container, Purpose, SoundChoice, VideoCodec

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.conftest import Exchange, LittleServer

ROOT = typer.main.get_command(app)
FREE_TEXT = {
    *("--url", "--bitrate", "--fps", "--autoscale", "--idempotency-key", "--reason", "--reviewer"),
    *("--name", "--licence", "--like", "--speaker", "--with"),
    *("QUERY", "QUESTION", "NAME", "FILE"),
}
"""Options and arguments that take any text, or paths, which shells complete themselves."""


def walk(command: Any, path: str = "cinemill") -> list[tuple[str, Any]]:
    found = [(path, parameter) for parameter in command.params]
    for name, inner in getattr(command, "commands", {}).items():
        found += walk(inner, f"{path} {name}")
    return found


def name_of(parameter: Any) -> str:
    if parameter.param_type_name == "option":
        return str(max(parameter.opts, key=len))
    return str(parameter.metavar or parameter.name.upper())


TEXTS = [
    pytest.param(path, parameter, id=f"{path} {name_of(parameter)}")
    for path, parameter in walk(ROOT)
    if parameter.type_descriptor.annotation in (str, list[str])
]


@pytest.mark.parametrize(("path", "parameter"), TEXTS)
def test_each_text_offers_its_choices_or_is_free(path: str, parameter: Any) -> None:
    is_completed = parameter._custom_shell_complete is not None
    assert is_completed or name_of(parameter) in FREE_TEXT, f"{path}: nothing is completed"


@pytest.mark.parametrize(("path", "parameter"), walk(ROOT))
def test_choices_are_in_the_help(path: str, parameter: Any) -> None:
    allowed = parameter.type_descriptor.choices or ()
    shown = f"{parameter.help} {parameter.display_type(typer.Context(ROOT))}"
    assert all(str(getattr(one, "value", one)) in shown for one in allowed)


@pytest.mark.parametrize(
    ("written", "true"),
    [
        (get_args(choices.VideoCodec), tuple(VideoCodec)),
        (get_args(choices.Container), tuple(Container)),
        (get_args(choices.Preset), tuple(Purpose)),
        (get_args(choices.AudioCodec), tuple(SoundChoice)),
        (get_args(choices.SpeechModel), speech.SPEECH_MODELS),
        (choices.LANGUAGES, tuple(sorted(speech.LANGUAGES))),
    ],
)
def test_choices_are_those_of_the_module_that_decides(
    written: tuple[str, ...], true: tuple[str, ...]
) -> None:
    assert set(written) == set(true)
    assert len(written) == len(true)


def test_kinds_queues_and_settings_are_those_of_the_catalog() -> None:
    catalog = compose(BUILT_IN, UNOWNED_QUEUES).catalog
    assert set(choices.KINDS) == set(catalog.jobs)
    assert set(choices.QUEUES) == set(catalog.queues)
    clients = {"CINEMILL_CA_FILE", "CINEMILL_TOKEN", "CINEMILL_URL"}
    own = {name for name in public_names() if name.startswith("CINEMILL_")}
    assert own | clients == environment.SETTINGS


def test_each_command_is_in_one_section_of_the_help(cinemill: Run) -> None:
    named = [name for names in SECTIONS.values() for name in names]
    assert sorted(named) == sorted(getattr(ROOT, "commands", {}))
    lines = cinemill("--help").stdout.splitlines()
    assert [f"{title}:" for title in SECTIONS] == [one for one in lines if one[:-1] in SECTIONS]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("h246", "h264"),
        ("H264", "h264"),
        ("hvec", ""),
        ("av", "av1"),
        ("vp8", "vp9"),
        ("", ""),
        ("nothing like it", ""),
    ],
)
def test_nearest_choice_is_suggested(given: str, meant: str) -> None:
    assert suggest(given, ("h264", "h265", "vp9", "av1")) == meant


def complete(words: str, home: Path, **more: str) -> list[str]:
    """Return what bash offers after these words, of which the last is being typed."""
    parts = words.split(" ")
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith("CINEMILL_")},
        "CINEMILL_HOME": str(home),
        "_CINEMILL_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(parts) - 1),
        **more,
    }
    script = str(Path(sys.executable).with_name("cinemill"))
    done = subprocess.run([script], env=environ, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("cinemill transcode --codec h", ["h264", "h265"]),
        ("cinemill transcode --preset ", ["archive", "web", "mobile"]),
        ("cinemill caption --model t", ["tiny", "tiny.en"]),
        ("cinemill caption --language d", ["da", "de"]),
        ("cinemill jobs --kind tr", ["transcode"]),
        ("cinemill jobs --status f", ["failed"]),
        ("cinemill worker -Q proxy,pre", ["proxy,preview"]),
        ("cinemill submit --priority 1", ["1", "10"]),
        ("cinemill logs wo", ["worker"]),
        ("cinemill de", ["detect", "dead"]),
        ("cinemill watch ", []),
    ],
)
def test_values_are_completed(words: str, offered: list[str], tmp_path: Path) -> None:
    assert complete(words, tmp_path) == offered


def test_jobs_and_videos_are_completed_from_the_server(
    fake_server: LittleServer, tmp_path: Path
) -> None:
    jobs = [
        {"id": "397dee33-f172-456c-8304-5e331e980c57", "status": "failed", "kind": "caption"},
        {"id": "4c1dee33-f172-456c-8304-5e331e980c57", "status": "running", "kind": "caption"},
    ]
    video = {"id": "97a1ee33-f172-456c-8304-5e331e980c57", "filename": "film.mp4"}
    fake_server.on("GET /api/v1/jobs", lambda x: x.send_json({"jobs": jobs}))
    fake_server.on("GET /api/v1/assets", lambda x: x.send_json({"assets": [video]}))
    place = {"CINEMILL_URL": fake_server.url, "CINEMILL_TOKEN": "t"}
    assert complete("cinemill watch ", tmp_path, **place) == ["397dee33", "4c1dee33"]
    assert complete("cinemill retry ", tmp_path, **place) == ["397dee33"]
    assert complete("cinemill rm fi", tmp_path, **place) == ["film.mp4"]
    assert complete("cinemill chapters 97", tmp_path, **place) == ["97a1ee33"]


HOSTILE = "x\\$(touch pwned)`id`\n"


def test_names_that_shells_take_apart_are_not_offered(
    fake_server: LittleServer, tmp_path: Path
) -> None:
    names = ("Summer holiday.mp4", "Summer*.mp4", "-rf.mp4", f"Summer{HOSTILE}.mp4", "Summer_é.mp4")
    videos = [
        {"id": f"{number}7a1ee33-f172-456c-8304-5e331e980c57", "filename": name}
        for number, name in enumerate(names)
    ]
    collections = [{"name": name} for name in ("news", "two words", HOSTILE, "x$(id)")]
    message = {"id": "397dee33-f172-456c-8304-5e331e980c57", "task": f"task{HOSTILE}[/b]"}
    fake_server.on("GET /api/v1/assets", lambda x: x.send_json({"assets": videos}))
    fake_server.on("GET /api/v1/collections", lambda x: x.send_json({"collections": collections}))
    fake_server.on("GET /api/v1/dead/messages", lambda x: x.send_json({"messages": [message]}))
    place = {"CINEMILL_URL": fake_server.url, "CINEMILL_TOKEN": "t"}
    assert complete("cinemill rm Summ", tmp_path, **place) == ["Summer_é.mp4"]
    assert complete("cinemill rm ", tmp_path, **place) == [f"{one}7a1ee33" for one in range(5)]
    assert complete("cinemill assets --collection ", tmp_path, **place) == ["news"]
    zsh = {"_CINEMILL_COMPLETE": "complete_zsh"}
    for words in ("cinemill dead drop ", "cinemill rm "):
        environ = {**place, **zsh, "_TYPER_COMPLETE_ARGS": words}
        offered = " ".join(complete(words, tmp_path, **environ))
        assert offered.startswith("_arguments")
        assert not set(offered) & set("$`\\[]")


def test_older_failed_jobs_are_offered_for_a_retry(
    fake_server: LittleServer, tmp_path: Path
) -> None:
    jobs = {
        "failed": {"id": "397dee33-f172-456c-8304-5e331e980c57", "queued_at": "2026-01-01"},
        "cancelled": {"id": "4c1dee33-f172-456c-8304-5e331e980c57", "queued_at": "2026-01-02"},
        "": {"id": "5c1dee33-f172-456c-8304-5e331e980c57", "status": "running"},
    }

    def answer(exchange: Exchange) -> None:
        state = dict(parse_qsl(urlsplit(exchange.path).query)).get("status", "")
        exchange.send_json({"jobs": [{"status": state, "kind": "caption", **jobs[state]}]})

    fake_server.on("GET /api/v1/jobs", answer)
    place = {"CINEMILL_URL": fake_server.url, "CINEMILL_TOKEN": "t"}
    assert complete("cinemill retry ", tmp_path, **place) == ["4c1dee33", "397dee33"]
    assert complete("cinemill watch ", tmp_path, **place) == ["5c1dee33"]


class TestSettings:
    def test_unknown_setting_is_warned_of_by_each_command(
        self, cinemill: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CINEMILL_TOKN", "x")
        for arguments in (["jobs"], ["assets"], ["config"]):
            shown = cinemill(*arguments).stderr
            assert shown.count("CINEMILL_TOKN") == 1
            assert "did you mean CINEMILL_TOKEN?" in shown

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("CINEMILL_SERVICE_HOST", "10.0.0.1"),
            ("CINEMILL_SERVICE_PORT", "8420"),
            ("CINEMILL_SERVICE_PORT_HTTP", "8420"),
            ("CINEMILL_DB_SERVICE_HOST", "10.0.0.1"),
            ("CINEMILL_PORT", "tcp://10.0.0.1:8420"),
            ("CINEMILL_DB_PORT", "tcp://10.0.0.1:5432"),
            ("CINEMILL_PORT_8420_TCP", "tcp://10.0.0.1:8420"),
            ("CINEMILL_PORT_8420_TCP_ADDR", "10.0.0.1"),
            ("CINEMILL_PORT_8420_TCP_PROTO", "tcp"),
            ("CINEMILL_TEST_ALL_TOOLS", "1"),
            ("CINEMILL_BENCH_SECONDS", "1"),
            ("CINEMILL_SAMPLES", "/samples"),
        ],
    )
    def test_variables_of_others_are_let_alone(
        self, cinemill: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(name, value)
        result = cinemill("config")
        assert result.exit_code == 0
        assert name not in result.stderr
        assert "CINEMILL_PORT" in result.stdout

    def test_no_setting_has_a_name_of_others(self) -> None:
        assert [name for name in public_names() if is_of_others(name, "x")] == []
