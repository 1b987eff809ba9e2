"""Bounded reading of a benchmark's files: no endless line, number or nesting."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from cinemill.capabilities.search.evaluation.benchmarks.records import (
    BenchmarkInvalid,
    BenchmarkTooLarge,
)

LARGEST_FILE_BYTES = 256 * 1024 * 1024
LONGEST_LINE_BYTES = 1024 * 1024
MOST_ENTRIES = 1_000_000
LONGEST_TEXT = 10_000

VideoName = Annotated[str, Field(pattern=r"^[\w.=-]{1,200}$")]
"""Without a separator of paths: callers look for files of these names."""
Identifier = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
Seconds = Annotated[FiniteFloat, Field(ge=0, le=1_000_000)]

_Entry = TypeVar("_Entry", bound="Entry")
_Read = TypeVar("_Read")


class Entry(BaseModel):
    """One entry of a file; fields that are not used are not looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)


def read_document(path: Path, adapter: TypeAdapter[_Read]) -> _Read:
    """Return a whole JSON document. Raises BenchmarkInvalid, BenchmarkTooLarge."""
    return _validate(path, adapter, _read_bytes(path))


def read_json_lines(path: Path, entry: type[_Entry]) -> Iterator[_Entry]:
    """Yield the entries of a file with one JSON object a line; empty lines are passed over.

    Raises BenchmarkInvalid, BenchmarkTooLarge.
    """
    adapter = TypeAdapter(entry)
    for number, line in enumerate(_read_lines(path), start=1):
        if number > MOST_ENTRIES:
            raise BenchmarkTooLarge(f"{path} has more than {MOST_ENTRIES:,} lines.")
        if line.strip():
            yield _validate(path, adapter, line, where=f"line {number}")


def read_rows(path: Path, entry: type[_Entry]) -> list[_Entry]:
    """Return the rows of a table with a header, separated by commas.

    Raises BenchmarkInvalid, BenchmarkTooLarge.
    """
    try:
        text = _read_bytes(path).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (csv.Error, UnicodeDecodeError) as damaged:
        raise BenchmarkInvalid(f"{path} is no table in UTF-8: {damaged}.") from damaged
    adapter = TypeAdapter(list[entry])  # type: ignore[valid-type]
    # Cells beyond the header have no name.
    plain = [{key: value for key, value in row.items() if key} for row in rows]
    try:
        return adapter.validate_python(plain)
    except ValidationError as wrong:
        raise _describe(path, wrong, "") from wrong


def refuse_duplicates(path: Path, identifiers: Iterable[str]) -> None:
    """Raise BenchmarkInvalid if an identifier occurs twice."""
    twice = [name for name, count in Counter(identifiers).items() if count > 1]
    if twice:
        raise BenchmarkInvalid(f"{path} has {twice[0][:80]!r} more than once.")


def to_ms(seconds: float) -> int:
    """Return whole milliseconds."""
    return round(seconds * 1000)


def _validate(path: Path, adapter: TypeAdapter[_Read], content: bytes, where: str = "") -> _Read:
    try:
        return adapter.validate_json(content)
    except ValidationError as wrong:
        raise _describe(path, wrong, where) from wrong


def _describe(path: Path, wrong: ValidationError, where: str) -> BenchmarkInvalid:
    first = wrong.errors(include_url=False, include_input=False, include_context=False)[0]
    place = " ".join(filter(None, [where, ".".join(map(str, first["loc"]))]))
    return BenchmarkInvalid(f"{path}: {place or 'the document'}: {first['msg']}.")


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as missing:
        raise BenchmarkInvalid(f"{path} cannot be read: {missing.strerror}.") from missing
    if len(content) > LARGEST_FILE_BYTES:
        raise BenchmarkTooLarge(f"{path} is larger than {LARGEST_FILE_BYTES >> 20} MiB.")
    return content


def _read_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while line := file.readline(LONGEST_LINE_BYTES + 1):
                if len(line) > LONGEST_LINE_BYTES:
                    raise BenchmarkTooLarge(
                        f"{path} has a line of more than {LONGEST_LINE_BYTES >> 10} KiB."
                    )
                yield line
    except OSError as missing:
        raise BenchmarkInvalid(f"{path} cannot be read: {missing.strerror}.") from missing
