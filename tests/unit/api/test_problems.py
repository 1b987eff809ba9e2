"""Errors are RFC 9457 problem documents, and say nothing that is nobody's business."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from cinemill import errors
from cinemill.api.middleware.problems import (
    ParametersInvalid,
    UncaughtErrors,
    problem_response,
    to_problem,
)


def every_error() -> list[type[errors.CinemillError]]:
    def below(kind: type[errors.CinemillError]) -> list[type[errors.CinemillError]]:
        return [kind, *(deeper for child in kind.__subclasses__() for deeper in below(child))]

    ours = ("cinemill.errors", "cinemill.api")
    # These have more members than a message.
    plain = (errors.SettingsInvalid, errors.CommandFailed, errors.Postponed, ParametersInvalid)
    found = below(errors.CinemillError)
    return [
        kind for kind in found if kind.__module__.startswith(ours) and not issubclass(kind, plain)
    ]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_has_the_standard_members_and_ours(kind: type[errors.CinemillError]) -> None:
    document = to_problem(kind("It did not work."))
    assert document["type"] == f"urn:cinemill:problem:{document['code']}"
    assert document["detail"] == "It did not work."
    assert 400 <= document["status"] <= 599
    assert document["title"]
    assert " " in document["hint"]
    assert "log_tail" not in document


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_only_what_the_asker_must_change_is_not_worth_asking_again(
    kind: type[errors.CinemillError],
) -> None:
    document = to_problem(kind("It did not work."))
    to_change = (errors.InputRejected, errors.ValueUnstorable)
    assert document["retryable"] is not issubclass(kind, to_change)


def test_commands_last_lines_are_told() -> None:
    error = errors.CommandFailed("FFmpeg failed.", exit_code=1, log_tail="Invalid data found")
    assert to_problem(error)["log_tail"] == "Invalid data found"


def test_each_wrong_parameter_is_named() -> None:
    error = ParametersInvalid([("priority", "must be 0 to 10"), ("limit", "must be positive")])
    assert [problem["name"] for problem in to_problem(error)["problems"]] == ["priority", "limit"]


def test_answer_is_a_problem_and_says_how_to_sign_in() -> None:
    answer = problem_response(errors.Unauthorized("No token was sent."))
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert json.loads(bytes(answer.body))["code"] == "unauthorized"


def test_missing_part_says_when_to_come_back() -> None:
    answer = problem_response(errors.DatabaseUnavailable("PostgreSQL does not answer."))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def _call(app: Any) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "path": "/api/v1/jobs", "method": "GET", "headers": []}
    await UncaughtErrors(app)(scope, receive, send)
    return sent


@pytest.mark.usefixtures("allow_error_logs")
def test_what_nobody_expected_is_told_without_its_innards() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("password=hunter2")

    start, body = asyncio.run(_call(broken))
    assert start["status"] == 500
    document = json.loads(body["body"])
    assert document["code"] == "internal_error"
    assert "hunter2" not in json.dumps(document)


def test_problem_document_is_bounded_whatever_it_is_about() -> None:
    worst = "\x01" * 1_000_000
    failed = errors.CommandFailed(worst, exit_code=1, log_tail=worst)
    failed.hint = worst
    wrong = ParametersInvalid([(worst, worst)] * 10_000)
    for error in (failed, wrong):
        assert len(bytes(problem_response(error).body)) <= 64 * 1024
    assert to_problem(wrong)["detail"].startswith("\x01")
    assert wrong.message.endswith("and 9980 more")


def test_text_that_is_no_unicode_can_be_answered() -> None:
    assert json.loads(bytes(problem_response(errors.NotFound("No film \ud800.")).body))["code"]
