"""Read the pages of the documentation: their code blocks and the code in their sentences.

A block of commands or of Python is run by the tests as it is printed, in the order of the page and
in one shell. An HTML comment on the line before a block changes that:

``<!-- not run: reason -->``
    The block needs what no test has (a second machine, Docker, root, a network). It is only parsed.
``<!-- keeps running -->``
    The command runs until it is stopped, in a terminal of its own, while the rest of the page runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[3]
SHELL = frozenset({"console", "bash", "sh", "shell"})
PYTHON = frozenset({"python", "py"})
COMMENT = re.compile(r"<!--\s*(not run:\s*(?P<reason>\S.*?)|(?P<keeps>keeps running))\s*-->")


@dataclass(frozen=True)
class Block:
    """A fenced block; ``reason`` says why it is not run, and is empty where it is."""

    place: str
    language: str
    text: str
    reason: str = ""
    keeps_running: bool = False

    @property
    def is_shell(self) -> bool:
        return self.language in SHELL

    @property
    def is_python(self) -> bool:
        return self.language in PYTHON


@dataclass(frozen=True)
class Page:
    path: Path
    blocks: tuple[Block, ...]
    spans: tuple[tuple[str, str], ...]
    """Inline code, each with its place."""
    links: tuple[str, ...]
    """Paths, relative to the page, of what it links to or shows."""

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def starts_server(self) -> bool:
        return any(b.keeps_running and re.search(r"\bup\b", b.text) for b in self.runnable)

    @property
    def runnable(self) -> tuple[Block, ...]:
        return tuple(b for b in self.blocks if (b.is_shell or b.is_python) and not b.reason)


def list_pages(*patterns: str) -> list[Page]:
    """Read the pages that match any of these patterns below the repository's root."""
    paths = sorted({path for pattern in patterns for path in ROOT.glob(pattern)})
    return [parse_page(path, path.read_text("utf-8")) for path in paths]


def parse_page(path: Path, text: str) -> Page:
    name = path.relative_to(ROOT).as_posix()
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return Page(
        path,
        tuple(_list_blocks(name, tokens)),
        tuple(_list_spans(name, tokens)),
        tuple(_list_links(tokens)),
    )


def _list_blocks(name: str, tokens: list[Token]) -> Iterator[Block]:
    comment = None
    for token in tokens:
        if token.type == "fence":
            language = (token.info.split() or [""])[0]
            place = f"{name}:{token.map[0] + 1 if token.map else 0}"
            reason = (comment and comment["reason"]) or ""
            keeps = bool(comment and comment["keeps"])
            yield Block(place, language, token.content, reason, keeps)
        comment = COMMENT.fullmatch(token.content.strip()) if token.type == "html_block" else None


def _list_spans(name: str, tokens: list[Token]) -> Iterator[tuple[str, str]]:
    line = 0
    for token in tokens:
        line = token.map[0] + 1 if token.map else line
        for child in token.children or ():
            if child.type == "code_inline":
                yield f"{name}:{line}", child.content


def _list_links(tokens: list[Token]) -> Iterator[str]:
    children = [child for token in tokens for child in token.children or ()]
    targets = [str(child.attrGet("href") or child.attrGet("src") or "") for child in children]
    html = [token.content for token in (*tokens, *children) if token.type.startswith("html")]
    targets += re.findall(r'(?:src|srcset|href)="([^"]+)"', "".join(html))
    for target in targets:
        path = target.partition("#")[0]
        if path and "://" not in path:
            yield path
