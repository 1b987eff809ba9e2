"""The log files of the services that ``cinemill up`` starts: their last lines, and what follows."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVICES = ("supervisor", "api", "worker", "beat", "migration", "flower", "postgres", "valkey")
OLDEST = 9
"""The number of the oldest file that is looked for; the newest of those set aside is 1."""
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?)")
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_RUN = re.compile(rf'(?:\brun=|"run": ")({_UUID})')


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a service's log."""

    service: str
    text: str
    time: str
    """As it is written; that of the line before where it has none. Empty at the beginning."""


def find_log(folder: Path, service: str, *, as_json: bool = False) -> Path | None:
    """Return the file with a service's log; None where the service has not run.

    What Python services print is for people, and has what they say before they can log. The file
    that programs read has a line of JSON for each event; servers have none.
    """
    names = [f"{service}.out", f"{service}.log"]
    found = (folder / name for name in (reversed(names) if as_json else names))
    return next((path for path in found if path.is_file() and path.stat().st_size), None)


def read_last(path: Path, service: str, count: int) -> list[LogLine]:
    """Return the last lines of a log, also those of a file that was set aside."""
    lines: deque[LogLine] = deque(maxlen=count)
    for one in (path.with_name(f"{path.name}.1"), path):
        lines.extend(_read(one, service))
    return list(lines)


def read_job(path: Path, service: str, job_id: str) -> list[LogLine]:
    """Return the lines about a job and the attempts of its steps, with the tracebacks below them.

    Those of all files that were set aside are among them.
    """
    files = [path.with_name(f"{path.name}.{number}") for number in range(OLDEST, 0, -1)]
    lines = [line for one in (*files, path) for line in _read(one, service)]
    return select_job(lines, job_id, set())


def select_job(lines: Sequence[LogLine], job_id: str, known: set[str]) -> list[LogLine]:
    """Return the lines about a job. ``known`` are its ids so far, to which its attempts are added.

    A line without a time belongs to the one before it.
    """
    known.add(job_id)
    known.update(run for line in lines if job_id in line.text for run in _RUN.findall(line.text))
    selected, is_about = [], False
    for line in lines:
        if _TIME.match(line.text) or line.text.startswith("{"):
            is_about = any(one in line.text for one in known)
        if is_about:
            selected.append(line)
    return selected


def merge(logs: Sequence[Sequence[LogLine]]) -> list[LogLine]:
    """Return the lines of several logs in the order of their times."""
    return sorted((line for log in logs for line in log), key=lambda line: line.time)


class LogFollower:
    """What is added to a log, also after its file was set aside and began anew."""

    def __init__(self, folder: Path, service: str, *, as_json: bool = False) -> None:
        self._folder, self._service, self._as_json = folder, service, as_json
        path = find_log(folder, service, as_json=as_json)
        self._position = 0 if path is None else path.stat().st_size
        self._rest = b""
        self._time = ""

    def read(self) -> list[LogLine]:
        """Return the whole lines that were added since the last call."""
        path = find_log(self._folder, self._service, as_json=self._as_json)
        if path is None:
            return []
        with path.open("rb") as file:
            if path.stat().st_size < self._position:
                self._position, self._rest = 0, b""
            file.seek(self._position)
            added = file.read()
        self._position += len(added)
        *whole, self._rest = (self._rest + added).split(b"\n")
        lines = list(_note_times(self._service, (_decode(one) for one in whole), self._time))
        self._time = lines[-1].time if lines else self._time
        return lines


def _read(path: Path, service: str) -> Iterator[LogLine]:
    try:
        with path.open("rb") as file:
            yield from _note_times(service, (_decode(one.rstrip(b"\n")) for one in file), "")
    except FileNotFoundError:
        return


def _note_times(service: str, texts: Iterator[str], time: str) -> Iterator[LogLine]:
    for text in texts:
        if found := _TIME.search(text[:40]) or _TIME.search(text):
            time = f"{found[1]}T{found[2]}"
        yield LogLine(service, text, time)


def _decode(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
