"""Workers that are killed while a service analyzes a video, and what others make of it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.redis_databases import take_redis_database
from tests.integration.worker.conftest import Stack, start_service, stop_service
from tests.integration.worker.services import (
    Services,
    analyze,
    finish,
    make_own_film,
    read_costs,
    read_findings,
    run_services,
    submit,
)
from tests.rekognition_double import Exchange
from tests.vision_server import describe
from tests.waiting import PATIENCE_SECONDS

from cinemill.core.findings.finding import FindingKind
from cinemill.core.job import JobState

OWN_REDIS_DATABASE = 15


@pytest.fixture(scope="module")
def running(
    database_url: str,
    redis_url: str,
    films_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Services]:
    settings = {
        "CINEMILL_HOME": str(tmp_path_factory.mktemp("killed")),
        "CINEMILL_INPUT_ROOTS": str(films_folder),
        "REDIS_URL": take_redis_database(redis_url, OWN_REDIS_DATABASE),
    }
    with run_services(database_url, settings) as services:
        yield services


@pytest.fixture
def services(running: Services) -> Services:
    running.clear()
    return running


@pytest.fixture
def film(films_folder: Path, request: pytest.FixtureRequest) -> Path:
    return make_own_film(films_folder, request.node.name)


def start_worker(stack: Stack) -> subprocess.Popen[bytes]:
    return start_service("cinemill.worker", stack)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker with all its processes."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Gate:
    """A fault that lets a request in, does what the service does, and never replies."""

    def __init__(self, work: Callable[[Any], None]) -> None:
        self.is_reached, self.is_open = threading.Event(), threading.Event()
        self._work = work

    def __call__(self, exchange: Any) -> None:
        self._work(exchange)
        self.is_reached.set()
        self.is_open.wait(PATIENCE_SECONDS)
        exchange.close_connection = True


def start_without_reply(exchange: Exchange) -> None:
    server = exchange.server
    token = "".join(request["ClientRequestToken"] for _, request in server.seen[-1:])
    sent: list[object] = []
    silent = type("Silent", (), {"succeed": lambda _self, *reply: sent.append(reply)})()
    server.reply(silent, "StartLabelDetection", server.seen[-1][1])
    assert token in server.jobs
    assert sent


def test_worker_killed_while_it_starts_a_job_starts_no_second_one(
    services: Services, film: Path
) -> None:
    gate = Gate(start_without_reply)
    services.rekognition.script.faults["StartLabelDetection"] = [gate]
    first = start_worker(services.stack)
    try:
        job = submit(services.stack, "analyze_with_rekognition", film, features=["labels"])
        assert gate.is_reached.wait(PATIENCE_SECONDS)
    finally:
        kill(first)
        gate.is_open.set()
    second = start_worker(services.stack)
    try:
        assert finish(services.stack, job).state is JobState.COMPLETED
    finally:
        stop_service(second)
    assert services.rekognition.count("StartLabelDetection") == 2
    assert len(services.rekognition.jobs) == 1
    assert [row[3] for row in read_costs(services.stack, film)] == [True]
    assert services.s3.uploads == 1
    assert services.s3.objects == {}


def test_worker_killed_between_two_questions_does_not_start_again(
    services: Services, film: Path
) -> None:
    gate = Gate(lambda _exchange: None)
    services.rekognition.script.faults["GetLabelDetection"] = [gate]
    first = start_worker(services.stack)
    try:
        job = submit(services.stack, "analyze_with_rekognition", film, features=["labels"])
        assert gate.is_reached.wait(PATIENCE_SECONDS)
    finally:
        kill(first)
        gate.is_open.set()
    second = start_worker(services.stack)
    try:
        assert finish(services.stack, job).state is JobState.COMPLETED
    finally:
        stop_service(second)
    assert services.rekognition.count("StartLabelDetection") == 1


def test_model_whose_answer_was_lost_is_asked_and_paid_for_again(
    services: Services, film: Path
) -> None:
    gate = Gate(lambda _exchange: None)
    services.vision.answers = [gate, describe("A test pattern.")]
    first = start_worker(services.stack)
    try:
        job = submit(services.stack, "analyze_with_nvidia", film)
        assert gate.is_reached.wait(PATIENCE_SECONDS)
    finally:
        kill(first)
        gate.is_open.set()
    second = start_worker(services.stack)
    try:
        assert finish(services.stack, job).state is JobState.COMPLETED
    finally:
        stop_service(second)
    assert len(services.vision.asked) == 2
    assert sum(row[2] for row in read_costs(services.stack, film)) == 2


def test_model_that_takes_frames_is_sent_images(services: Services, film: Path) -> None:
    environment = {**services.stack.environment, "NVIDIA_INPUT": "frames"}
    process = start_worker(replace(services.stack, environment=environment))
    try:
        job = analyze(services.stack, "analyze_with_nvidia", film)
    finally:
        stop_service(process)
    assert job.failure is None
    *images, question = services.vision.asked[0]["messages"][0]["content"]
    assert len(images) == 8
    for image in images:
        assert image["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert question["type"] == "text"
    assert len(read_findings(services.stack, film, FindingKind.DESCRIPTION)) == 1
