"""What tools take and quote, and that every failure has a code."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, NoReturn

import pytest
from typer.testing import CliRunner

from cinemill.assistants.quotes import LONGEST_TEXT, quote, quote_lines
from cinemill.assistants.results import make_page_link
from cinemill.assistants.tools import TOOLS, call_tool
from cinemill.cli.main import app
from cinemill.client import Client, ClientError
from cinemill.errors import CinemillError
from cinemill.testing import FakeClient


def refuse(open_client: Any, name: str, **arguments: Any) -> CinemillError:
    error = call_tool(open_client, name, arguments)
    assert isinstance(error, CinemillError)
    return error


def test_quotation_has_no_characters_that_people_do_not_see() -> None:
    assert quote("a\u202eb\u200bc\x1b[31m \U000e0041\ufeff d\ue000") == "abc[31m d"
    assert quote(" two\nlines\u2028here ") == "two lines here"
    assert quote("می\u200cخواهم") == "می\u200cخواهم"


def test_long_quotation_ends_with_an_ellipsis() -> None:
    for text in ("x" * (LONGEST_TEXT + 1), "x" * 10**6):
        assert quote(text) == "x" * (LONGEST_TEXT - 1) + "…"
    assert quote("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT
    # Text behind very many invisible characters is left out, and that shows.
    assert quote("\u200b" * 10**6 + "x", 10) == "…"


def test_quoted_lines_stay_lines() -> None:
    assert quote_lines("One. [1]\n\n Two.\u202e [2]\n") == "One. [1]\nTwo. [2]"
    assert len(quote_lines("x\n" * 10_000, 100)) == 100


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.0, "0"), (10.0, "10"), (12.5, "12.5"), (12.3456, "12.346"), (1234567.125, "1234567.125")],
)
def test_link_opens_the_page_at_a_second(seconds: float, written: str) -> None:
    link = make_page_link("http://films.example", "a/b?c", seconds)
    assert link == f"http://films.example/assets/a%2Fb%3Fc?t={written}"


def test_wrong_arguments_are_named_without_asking_a_server() -> None:
    def open_client() -> NoReturn:
        raise AssertionError

    error = refuse(open_client, "search", limit="many", query=7, assets=[])
    assert error.code == "arguments_invalid"
    for name in ("limit", "query", "assets"):
        assert f"{name}: " in error.message
    assert "many" not in error.message
    for wrong in ({"start": float("nan")}, {"start": -1}, {"start": 5, "end": 5}, {"end": 606}):
        given = {"asset_id": "film", "start": 5.0, "end": 6.0, **wrong}
        assert refuse(open_client, "fetch_moment", **given).code == "arguments_invalid"


def test_errors_of_the_client_keep_their_code() -> None:
    def open_client() -> Client:
        raise ClientError("No server.", code="mill_not_running", hint="Start it.")

    error = refuse(open_client, "search", query="rose")
    assert (error.code, error.message, error.hint) == (
        "mill_not_running",
        "No server.",
        "Start it.",
    )
    assert refuse(FakeClient, "search", query=" ").code == "query_empty"


@pytest.mark.usefixtures("allow_error_logs")
def test_defect_is_an_error_without_details(caplog: pytest.LogCaptureFixture) -> None:
    def open_client() -> Client:
        raise RuntimeError("secret")

    error = refuse(open_client, "ask", question="Who?")
    assert error.code == "internal_error"
    assert "secret" not in error.message + error.hint
    assert "secret" in caplog.text


def test_schemas_say_what_every_argument_and_result_means() -> None:
    for tool in TOOLS.values():
        arguments = tool.arguments.model_json_schema()
        assert all(one["description"] for one in arguments["properties"].values())
        result = tool.result.model_json_schema(mode="serialization")
        assert next(iter(result["properties"])) == "notice"
    assert (
        TOOLS["search"].arguments.model_json_schema()["properties"]["query"]["maxLength"] == 10**4
    )


def test_command_without_the_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cinemill.assistants.server", raising=False)
    monkeypatch.setitem(sys.modules, "mcp", None)
    for name in [name for name in sys.modules if name.startswith("mcp.")]:
        monkeypatch.setitem(sys.modules, name, None)
    refused = CliRunner().invoke(app, ["mcp"])
    assert refused.exit_code == 3
    assert "extra_missing" in refused.output
    assert "pip install 'cinemill[mcp]'" in refused.output


def test_command_ends_when_the_assistant_closes_stdin() -> None:
    command = [sys.executable, "-c", "from cinemill.cli.main import run; run()", "mcp"]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
