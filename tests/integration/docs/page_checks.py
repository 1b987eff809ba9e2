"""Check printed commands without running them: options, settings, HTTP paths, imports.

Each check returns the faults that it found, each as one sentence.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import typer
from tests.integration.docs.markdown_pages import ROOT, Block

from cinemill.cli.main import app
from cinemill.config import reference

ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
SEPARATORS = re.compile(r"&&|\|\||[;|&\n]|\$\(")
SETTING = re.compile(r"\b(?:[A-Z][A-Z0-9]*_)+[A-Z0-9]+\b")
REQUEST = re.compile(r"^(GET|POST|PUT|PATCH|DELETE|HEAD) (/\S*)$")
URL_PATH = re.compile(r"^(?:https?://127\.0\.0\.1:8420|(?P<api>\$\{?API\}?)|…)(?P<path>/[^?#]*)")
API = "/api/v1"
"""What pages set API to, after the address."""
BODY_OPTIONS = frozenset({"-d", "--data", "-F", "--form", "--data-binary", "--json"})
ACTING_OPTIONS = frozenset({"--install-completion", "--show-completion", "--version"})
"""The parser itself carries these out."""
TEST_SETTINGS = re.compile(r"CINEMILL_TEST_\w+")
SERVER_FAMILIES = ("CINEMILL_", "CELERY_", "DATABASE_", "REDIS_", "FFMPEG_", "CACHE_TTL_")
NOT_OURS = frozenset({"CINEMILL_FILMS", "CINEMILL_VIDEOS"})
"""Variables of ``deploy/compose.yaml``."""


def check_shell(text: str) -> Iterator[str]:
    """Check each command of a shell script by its own parser."""
    parsed = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
    if parsed.returncode != 0:
        yield f"the shell does not understand it: {parsed.stderr.strip()}"
        return
    for command in split_commands(text):
        yield from check_command(command)
    yield from check_settings(text)


def split_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every simple command, without assignments and the file it writes to."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in _split_outside_quotes(line):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:  # a quote that a later line closes
                continue
            while words and ASSIGNMENT.match(words[0]):
                words = words[1:]
            if ">" in words:  # the shell's, and what follows is its file
                words = words[: words.index(">")]
            if words:
                yield words


def _split_outside_quotes(line: str) -> list[str]:
    """Split at separators; those within quotes are text."""
    parts, quote, begin = [], "", 0
    index = 0
    while index < len(line):
        char = line[index]
        found = SEPARATORS.match(line, index)
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "#" and line[index - 1 : index] in ("", " "):
            break
        elif found:
            parts.append(line[begin:index])
            index = begin = found.end()
            continue
        index += 1
    return [part.rstrip(")") for part in (*parts, line[begin:index]) if part.strip()]


def check_command(words: list[str]) -> Iterator[str]:
    program = words[0].rpartition("/")[2]
    if program == "cinemill":
        yield from check_cinemill(words[1:])
    elif program == "curl":
        yield from check_curl(words[1:])
    elif program == "make":
        yield from check_make(words[1:])


def check_cinemill(arguments: list[str]) -> Iterator[str]:
    """Ask the command line's own parser."""
    if set(arguments) & ACTING_OPTIONS:
        return
    command: Any = typer.main.get_command(app)
    name: str = "cinemill"
    parent: Any = None
    try:
        while True:
            parent = command.make_context(name, list(arguments), parent=parent)
            if not hasattr(command, "resolve_command"):
                return
            rest = [*parent._protected_args, *parent.args]
            name, command, arguments = command.resolve_command(parent, rest)
    except typer.Exit:
        return
    except Exception as error:  # the library's own tree of errors is private
        message = str(getattr(error, "message", None) or error)
        if not message.endswith("does not exist."):  # a file of the reader's
            yield f"cinemill {' '.join(arguments)}: {message}"


def check_curl(arguments: list[str]) -> Iterator[str]:
    """Check that the API has each path that is requested, with that method."""
    method = "GET"
    for option, value in zip(arguments, [*arguments[1:], ""], strict=True):
        last = f"-{option[-1]}" if re.fullmatch("-[A-Za-z]+", option) else option
        if last in ("-X", "--request"):
            method = value
        elif last in ("-T", "--upload-file"):
            method = "PUT"
        elif last in BODY_OPTIONS and method == "GET":
            method = "POST"
    for argument in arguments:
        found = URL_PATH.match(argument)
        if found:
            base = API if found["api"] else ""
            yield from check_request(method, base + found["path"])


def check_request(method: str, path: str) -> Iterator[str]:
    bare = re.sub(r"\$\{?\w+\}?|\{\w+\}|…", "x", path.partition("?")[0])
    templates = {
        template: methods
        for template, methods in api_paths().items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), bare)
    }
    if bare != "/" and not any(method.lower() in methods for methods in templates.values()):
        yield f"the API has no {method} {path}"


@cache
def api_paths() -> dict[str, set[str]]:
    document = json.loads((ROOT / "docs/reference/openapi.json").read_text("utf-8"))
    return {path: set(methods) for path, methods in document["paths"].items()}


def check_make(arguments: list[str]) -> Iterator[str]:
    targets = re.findall(r"^([\w-]+(?: [\w-]+)*):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    known = {name for names in targets for name in names.split()}
    for target in arguments:
        if not target.startswith("-") and "=" not in target and target not in known:
            yield f"the Makefile has no target {target}"


def check_settings(text: str) -> Iterator[str]:
    """Check that each name that looks like a setting of ours is one."""
    known = setting_names()
    for name in SETTING.findall(text):
        ours = name.startswith(SERVER_FAMILIES) and not TEST_SETTINGS.fullmatch(name)
        if ours and name not in known:
            yield f"there is no setting {name}"


@cache
def setting_names() -> frozenset[str]:
    from cinemill.config.loading import OTHER_NAMES

    return frozenset(row.name for row in reference()) | OTHER_NAMES | NOT_OURS


def check_python(text: str, place: str) -> Iterator[str]:
    """Compile a script, and import what it names in a process of its own."""
    try:
        tree = compile(text, place, "exec", ast.PyCF_ONLY_AST)
    except SyntaxError as error:
        yield f"Python does not understand it: {error}"
        return
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    script = "\n".join(map(ast.unparse, imports))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    if done.returncode != 0:
        yield f"an import fails: {done.stderr.strip().splitlines()[-1]}"


def check_span(text: str) -> Iterator[str]:
    """Check code in a sentence: a command, a request or a setting."""
    request = REQUEST.match(text)
    if request:
        yield from check_request(request[1], request[2])
    elif text.startswith(("cinemill ", ".venv/bin/cinemill ", "make ")):
        for command in split_commands(text):
            # A sentence names a command without its files, or a group of commands.
            unfinished = ("Missing parameter", "Usage:")
            yield from (f for f in check_command(command) if not any(u in f for u in unfinished))
    elif SETTING.match(text):
        yield from check_settings(text)


def check_block(block: Block) -> Iterator[str]:
    if block.is_shell:
        yield from check_shell(block.text)
    elif block.is_python:
        yield from check_python(block.text, block.place)
    elif block.language == "json":
        try:
            json.loads(block.text)
        except ValueError as error:
            yield f"it is no JSON: {error}"
    else:
        yield from check_settings(block.text)
