"""Files that break their reader: whatever happens while a file is read is the file's doing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults import mutations
from tests.films import make_film
from tests.integration.media.conftest import Processor

from cinemill.core.media import SourceFormat
from cinemill.errors import CommandFailed, MediaRejected
from cinemill.media.ffmpeg import python_child
from cinemill.media.ffmpeg.child_exit import FILE_EXIT_CODE, is_files_fault
from cinemill.media.ffmpeg.limits import Limits
from cinemill.media.ffmpeg.sandbox import Sandbox, detect_sandbox, prepare_child, wrap_command
from cinemill.media.frames.exact import read_every_frame
from cinemill.media.probe import probe as probing
from cinemill.media.probe.mp4_boxes import read_boxes
from cinemill.media.probe.probe import probe, probe_material
from cinemill.media.provenance.read import is_reader_installed, read_provenance
from cinemill.media.rejections import REJECTION_CODES

Nest = Callable[[random.Random, int], bytes]
FORMS = [
    mutations.nest_boxes,
    mutations.nest_elements,
    mutations.nest_chunks,
    mutations.nest_pages,
]


@pytest.mark.parametrize("depth", [50, 1_100, 19_000])
@pytest.mark.parametrize("nest", FORMS)
def test_containers_in_containers_are_rejected(tmp_path: Path, nest: Nest, depth: int) -> None:
    for seed in range(2):
        film = tmp_path / f"{seed}.mp4"
        film.write_bytes(nest(random.Random(seed), depth))
        for read in (probe, probe_material):
            with pytest.raises(MediaRejected) as refused:
                read(film, Limits())
            assert refused.value.code in REJECTION_CODES
        with pytest.raises(MediaRejected) as refused:
            list(read_every_frame(film, limits=Limits(), width=48, height=27))
        assert refused.value.code in REJECTION_CODES


def test_boxes_are_walked_however_deep_they_are(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4")
    whole = read_boxes(film)
    content = film.read_bytes()
    nested = mutations.nest_boxes(random.Random(1), 19_000)
    film.write_bytes(content + nested)
    assert read_boxes(film) == whole
    film.write_bytes(nested + content)
    assert read_boxes(film).has_index


@pytest.mark.skipif(not is_reader_installed(), reason="the extra 'provenance' is not installed")
def test_credentials_of_nested_boxes_are_no_error_of_the_machine(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(mutations.nest_boxes(random.Random(1), 19_000))
    report = read_provenance(film, SourceFormat.MP4, sandbox=detect_sandbox())
    assert report.to_json()["state"] in ("failed", "none", "unsupported")


ENDS = {
    "an error": "raise RuntimeError('odd')",
    "the stack": "f = lambda: f()\nf()",
    "the memory": "bytearray(4 << 30)",
    "an assertion": "assert False",
    "a codec's file": "import av\nraise av.error.FileNotFoundError(2, 'named in the file')",
    "a crash": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
    "an abort": "import os\nos.abort()",
    "the memory killer": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "processor time": "while True: pass",
    "waiting": "import time\ntime.sleep(60)",
    "an answer that is no JSON": "print = sys.__stdout__.write\nprint('x')\nos._exit(0)",
    "an answer too deep": "sys.__stdout__.write('[' * 200000)\nsys.__stdout__.flush()\nos._exit(0)",
    "an answer too long": "sys.__stdout__.write('x' * (4 << 20))\nsys.__stdout__.flush()",
    "another answer": "return {'info': {'format': 'mov'}}",
    "an unknown code": "return {'rejected': 'media_of_another_world'}",
}


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the probe's process do something else once it has its file."""
    monkeypatch.setattr(probing, "PROBE_CPU_SECONDS", 2)
    monkeypatch.setattr(probing, "PROBE_WALL_SECONDS", 5.0)
    monkeypatch.setattr(probing, "_MODULE", "stub")
    found = python_child.interpreter_folders()
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr(python_child, "interpreter_folders", lambda: (*found, site))

    def write(body: str) -> None:
        """``-I`` leaves no other way to a module of the test's than a path in the environment."""
        start = f"import sys\nsys.path.insert(0, {str(site)!r})\n"
        (site / "stub.py").write_text(
            "import os\nimport sys\n"
            "from cinemill.media.ffmpeg.python_child import answer_request\n"
            f"def handle(request):\n{textwrap.indent(body, '    ')}\n"
            "answer_request(handle)\n"
        )
        runner = site / "python"
        code = f"{start}import runpy; runpy.run_module('stub', run_name='__main__')"
        runner.write_text(f'#!/bin/sh\nexec {sys.executable} -I -B -c "{code}"\n')
        runner.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(runner))

    return write


@pytest.mark.parametrize("how", ENDS)
def test_any_end_of_the_reader_is_a_rejection(
    tmp_path: Path, child: Callable[[str], None], how: str
) -> None:
    film = make_film(tmp_path / "film.mp4")
    child(ENDS[how])
    with pytest.raises(MediaRejected) as refused:
        probe(film, Limits(), sandbox=Sandbox(prlimit=detect_sandbox().prlimit))
    assert refused.value.code == "media_unreadable"
    assert not refused.value.is_retryable


@pytest.mark.parametrize(
    "body",
    [
        "raise FileNotFoundError(2, 'collected meanwhile')",
        "raise OSError(5, 'the disk')",
        "raise OSError(24, 'too many open files')",
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
        "raise SystemExit(3)",
    ],
)
def test_what_the_machine_or_people_do_is_not_the_files_fault(
    tmp_path: Path, child: Callable[[str], None], body: str
) -> None:
    film = make_film(tmp_path / "film.mp4")
    child(body)
    with pytest.raises(CommandFailed) as failed:
        probe(film, Limits(), sandbox=Sandbox())
    assert failed.value.is_retryable


def test_reader_that_cannot_start_is_not_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "_MODULE", "cinemill.media.probe.no_such_module")
    with pytest.raises(CommandFailed):
        probe(make_film(tmp_path / "film.mp4"), Limits())


def test_exit_codes() -> None:
    for code in (FILE_EXIT_CODE, -signal.SIGSEGV, 128 + signal.SIGABRT, -signal.SIGKILL):
        assert is_files_fault(code)
    for code in (0, 1, 2, 126, 127, 255, -signal.SIGTERM, 128 + signal.SIGINT, -signal.SIGHUP):
        assert not is_files_fault(code)


def test_ffmpeg_that_crashes_over_a_file_is_not_asked_again(
    processor: Processor, tmp_path: Path
) -> None:
    """A stand-in for FFmpeg: it answers what it can do, and crashes at work."""
    film = make_film(tmp_path / "film.mp4")
    real, stand_in = processor.ffmpeg_binary.ffmpeg, tmp_path / "ffmpeg"
    stand_in.write_text(f'#!/bin/sh\ncase "$*" in *-progress*) kill -SEGV $$;; esac\n{real} "$@"\n')
    stand_in.chmod(0o755)
    with pytest.raises(MediaRejected) as refused:
        replace(
            processor,
            ffmpeg_binary=replace(processor.ffmpeg_binary, ffmpeg=stand_in),
            sandbox=Sandbox(),
        ).process(film)
    assert refused.value.code == "media_unreadable"


def test_limit_of_processor_time_says_what_it_was() -> None:
    """With equal limits the kernel sends SIGKILL, which could come from anywhere."""
    prlimit = detect_sandbox().prlimit
    for sandbox in [Sandbox(), *([Sandbox(prlimit=prlimit)] if prlimit else [])]:
        limits = Limits(cpu_seconds=1)
        command = wrap_command(
            sandbox, [sys.executable, "-c", "while True: pass"], limits=limits, folder=None
        )
        done = subprocess.run(command, check=False, preexec_fn=prepare_child(sandbox, limits))
        assert done.returncode == -signal.SIGXCPU
