"""The pages of the web interface: one frame, filled with each page's content."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from string import Template

import cinemill

FOLDER = Path(cinemill.__file__).parent / "web"
_FRAME = "frame.html"
_BASE = "{base}"
"""Stands in the files for the address of the first page."""
_IMPORT = re.compile(r'from "\./([a-z]+\.js)";')
_SITE = {"/": "Videos", "/search": "Search", "/reviews": "Reviews", "/docs": "API"}


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """A page whose content is in the file ``{name}.html``."""

    name: str
    title: str
    script: str
    styles: tuple[str, ...] = ("app.css",)
    path: str = ""
    """The entry of the site's navigation that is this page; empty for none."""
    has_navigation: bool = True


VIDEOS = HtmlPage("index", "Cinemill", "app.js", ("app.css", "video.css"), path="/")
ASSET = HtmlPage(
    "asset", "Cinemill", "asset.js", ("app.css", "video.css", "analysis.css", "chapters.css")
)
REVIEWS = HtmlPage(
    "reviews", "Reviews – Cinemill", "queue.js", ("app.css", "analysis.css"), path="/reviews"
)
SEARCH = HtmlPage(
    "search", "Search – Cinemill", "search.js", ("app.css", "search.css"), path="/search"
)
ENTITY = HtmlPage("entity", "Entity – Cinemill", "entity.js", ("app.css", "search.css"))
DOCS = HtmlPage("docs", "API – Cinemill", "docs.js", path="/docs")
SIGN_IN = HtmlPage("signin", "Sign in – Cinemill", "signin.js", has_navigation=False)


def render_page(page: HtmlPage, *, base: str = "/") -> str:
    """Return the page as an HTML document; ``base`` is the address of the first page."""
    return _fill_frame(page).replace(_BASE, escape(base))


@cache
def _fill_frame(page: HtmlPage) -> str:
    preloads = sorted(_list_imports(page.script) - {page.script})
    return Template(_read(_FRAME)).substitute(
        title=escape(page.title),
        script=page.script,
        styles=_join('<link rel="stylesheet" href="{{base}}static/{}">', page.styles),
        preloads=_join('<link rel="modulepreload" href="{{base}}static/{}">', preloads),
        navigation=_write_navigation(page.path) if page.has_navigation else "",
        content=_read(f"{page.name}.html"),
    )


def _list_imports(script: str, found: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the script, what it imports directly and indirectly, and what was found before."""
    if script in found:
        return found
    found |= {script}
    for imported in _IMPORT.findall(_read(script)):
        found = _list_imports(imported, found)
    return found


def _write_navigation(current: str) -> str:
    mark = {current: ' aria-current="page"'}
    links = [
        f'<a href="{_BASE}{path[1:]}"{mark.get(path, "")}>{words}</a>'
        for path, words in _SITE.items()
    ]
    return f'<nav aria-label="Site">{" ".join(links)}</nav>'


def _join(form: str, names: Iterable[str]) -> str:
    return "\n".join(f"  {form.format(name)}" for name in names)


def _read(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")
