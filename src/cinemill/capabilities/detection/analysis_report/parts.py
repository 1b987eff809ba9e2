"""Pieces of a report's HTML that several sections use. Arguments are text unless they say HTML."""

from __future__ import annotations

from collections.abc import Iterable

from cinemill.capabilities.detection.html_page import LINE_BREAK, escape_text, isolate_text


def section(title: str, *parts: str) -> str:
    """Return a section of HTML parts; nothing where all are empty."""
    body = "".join(parts)
    return f"<section><h2>{escape_text(title)}</h2>{body}</section>" if body else ""


def paragraph(text: str, css: str = "") -> str:
    return f'<p class="{css}">{escape_text(text)}</p>' if css else f"<p>{escape_text(text)}</p>"


def prose(text: str) -> str:
    """Return what a person wrote, with its line breaks."""
    shown = escape_text(text, keep=LINE_BREAK)
    return f'<p class="prose"><bdi>{shown}</bdi></p>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Return a list of names and values; those without a value are left out."""
    shown = "".join(
        f"<dt>{escape_text(name)}</dt><dd>{isolate_text(value)}</dd>"
        for name, value in rows
        if value
    )
    return f"<dl>{shown}</dl>" if shown else ""


def hashes(rows: Iterable[tuple[str, str]]) -> str:
    """Return a list of names and of digests, which are read character by character."""
    shown = "".join(
        f'<dt>{escape_text(name)}</dt><dd class="hash">{escape_text(value)}</dd>'
        for name, value in rows
        if value
    )
    return f"<dl>{shown}</dl>" if shown else ""


def wide(table: str) -> str:
    """Return a table, which is HTML, so that narrow screens can scroll it."""
    return f'<div class="wrap">{table}</div>' if table else ""
