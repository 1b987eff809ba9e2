"""The frame around the pages' contents."""

from __future__ import annotations

import re

import pytest

from cinemill.api.html_pages import (
    ASSET,
    DOCS,
    FOLDER,
    REVIEWS,
    SIGN_IN,
    VIDEOS,
    HtmlPage,
    render_page,
)

LINK = re.compile(r'(?:href|src|action)="([^"]*)"')


@pytest.mark.parametrize(
    "page", [VIDEOS, ASSET, REVIEWS, DOCS, SIGN_IN], ids=lambda page: page.name
)
def test_every_page_has_the_frame_and_its_own_content(page: HtmlPage) -> None:
    html = render_page(page)
    for part in ("<!doctype html>", "<head>", "<body>", '<main id="main"', 'id="announcer"'):
        assert html.count(part) == 1, part
    assert f"<title>{page.title}</title>" in html
    assert f'<script type="module" src="/static/{page.script}"></script>' in html
    content = (FOLDER / f"{page.name}.html").read_text("utf-8")
    assert content.replace("{base}", "/") in html
    assert html.count('aria-current="page"') == bool(page.path)
    assert html.count('<nav aria-label="Site">') == page.has_navigation


@pytest.mark.parametrize("base", ["./", "../", "/cinemill/"])
def test_every_link_of_a_page_begins_at_the_base(base: str) -> None:
    for page in (VIDEOS, ASSET, REVIEWS, DOCS, SIGN_IN):
        html = render_page(page, base=base)
        links = [link for link in LINK.findall(html) if not link.startswith(("https://", "#"))]
        assert len(links) > 3
        assert [link for link in links if not link.startswith(base)] == []


def test_head_is_written_in_one_file() -> None:
    heads = [path.name for path in FOLDER.glob("*.html") if "<head>" in path.read_text("utf-8")]
    assert heads == ["frame.html"]
