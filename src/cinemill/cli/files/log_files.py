"""The log files of the services that ``cinemill up`` starts: their last lines, and what follows."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVICES = ("supervisor", "api", "worker", "beat", "migration", "flower", "postgres", "valkey")
OLDEST = 9
"""The number of the oldest file that is looked for; the newest of those set aside is 1."""
_LONGEST_LINE = 65536
"""Bytes in which the end of a line is looked for."""
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


def read_last(path: Path, service: str, count: int, *, end: int | None = None) -> list[LogLine]:
    """Return the last lines of a log, also those of a file that was set aside.

    ``end`` is the position in the file that a LogFollower goes on from; by default all is read.
    """
    lines: deque[LogLine] = deque(maxlen=count)
    lines.extend(_read(path.with_name(f"{path.name}.1"), service))
    lines.extend(_read(path, service, end))
    return list(lines)


def read_all(path: Path, service: str, *, end: int | None = None) -> Iterator[LogLine]:
    """Yield all lines of a log, those of the files that were set aside first; see read_last."""
    for number in range(OLDEST, 0, -1):
        yield from _read(path.with_name(f"{path.name}.{number}"), service)
    yield from _read(path, service, end)


class JobLines:
    """Chooses the lines about a job and the attempts of its steps, with the tracebacks below them.

    Which attempts are the job's is in some service's lines only, so that all lines are to be
    learned from before any is chosen: the crash of a worker is in the log of ``beat``.
    """

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._known = {job_id}
        self._is_about: dict[str, bool] = {}

    def learn(self, lines: Iterable[LogLine]) -> None:
        """Note the attempts of the job that these lines name."""
        for line in lines:
            if self._job_id in line.text:
                self._known.update(_RUN.findall(line.text))

    def select(self, lines: Iterable[LogLine]) -> list[LogLine]:
        """Return those of the lines that are about the job.

        A line without a time belongs to the one before it, also to that of the last call.
        """
        selected = []
        for line in lines:
            if _TIME.match(line.text) or line.text.startswith("{"):
                self._is_about[line.service] = any(one in line.text for one in self._known)
            if self._is_about.get(line.service):
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
        self._position = 0 if path is None else _find_last_end(path)
        self._rest = b""
        self._time = ""

    @property
    def position(self) -> int:
        """Where the file goes on that is read next: up to here, others have to read it."""
        return self._position

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


def _find_last_end(path: Path) -> int:
    """Return where the last whole line of a file ends."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _LONGEST_LINE)
        file.seek(start)
        end = file.read(size - start).rfind(b"\n")
    return start + end + 1 if end >= 0 or not start else size


def _read(path: Path, service: str, end: int | None = None) -> Iterator[LogLine]:
    try:
        with path.open("rb") as file:
            yield from _note_times(service, (_decode(one) for one in _cut(file, end)), "")
    except FileNotFoundError:
        return


def _cut(file: Iterable[bytes], end: int | None) -> Iterator[bytes]:
    position = 0
    for line in file:
        position += len(line)
        if end is not None and position > end:
            return
        yield line.rstrip(b"\n")


def _note_times(service: str, texts: Iterator[str], time: str) -> Iterator[LogLine]:
    for text in texts:
        if found := _TIME.search(text[:40]) or _TIME.search(text):
            time = f"{found[1]}T{found[2]}"
        yield LogLine(service, text, time)


def _decode(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
