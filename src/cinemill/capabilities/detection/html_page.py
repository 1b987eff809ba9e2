"""HTML pages that are one file: escaped text, tables, and a policy that lets nothing be loaded.

Text on these pages comes from file names, metadata and people, so it may be hostile. A character
that one cannot see, or that turns what follows it around, is written as its code.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from html import escape

LONGEST_TEXT = 4096
"""In characters; the remainder is left out."""
LINE_BREAK = "\n"
MOST_MARKS = 4
"""Combining marks on one letter; a hundred of them would cover the lines above."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me"})


def escape_text(text: str, *, most: int = LONGEST_TEXT, keep: str = "") -> str:
    """Return text for HTML, as an element's content or an attribute's value in double quotes.

    Control characters other than those in ``keep`` become codes such as ``\\u202e``.
    """
    shown = "".join(_show_characters(text[:most], keep))
    return escape(shown) + ("…" if len(text) > most else "")


def isolate_text(text: str, *, most: int = LONGEST_TEXT) -> str:
    """Return text for HTML whose direction, as of Arabic names, does not reach beyond it."""
    return f"<bdi>{escape_text(text, most=most)}</bdi>"


def _show_characters(text: str, keep: str) -> Iterable[str]:
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        is_unseen = category in _UNSEEN and character not in keep
        yield _write_code(character) if is_unseen or marks > MOST_MARKS else character


def _write_code(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def write_html(title: str, body: str, style: str) -> str:
    """Return a page; ``body`` is HTML, ``title`` is text, ``style`` is the only style there is."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" '
        f'content="{escape(write_policy(style))}">'
        f"<title>{escape_text(title)}</title><style>{style}</style></head>\n"
        f"<body>{body}</body></html>\n"
    )


def write_policy(style: str) -> str:
    """Return the content security policy: this very style, images within the page, and no more."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:"


def write_table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of texts; nothing for one without rows."""
    body = "".join("<tr>" + "".join(map(_write_cell, row)) + "</tr>" for row in rows)
    if not body:
        return ""
    head = "".join(f"<th>{escape_text(one)}</th>" for one in columns)
    title = f"<caption>{escape_text(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _write_cell(text: str) -> str:
    return f"<td>{escape_text(text, keep=LINE_BREAK)}</td>"


def write_list(sentences: Iterable[str], css: str = "") -> str:
    """Return a list of texts."""
    items = "".join(f"<li>{escape_text(one)}</li>" for one in sentences)
    return f'<ul class="{css}">{items}</ul>' if css else f"<ul>{items}</ul>"
