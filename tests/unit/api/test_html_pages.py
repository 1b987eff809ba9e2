"""The frame around the pages' contents."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    "page", [VIDEOS, ASSET, REVIEWS, DOCS, SIGN_IN], ids=lambda page: page.name
)
def test_every_page_has_the_frame_and_its_own_content(page: HtmlPage) -> None:
    html = render_page(page)
    for part in ("<!doctype html>", "<head>", "<body>", '<main id="main"', 'id="announcer"'):
        assert html.count(part) == 1, part
    assert f"<title>{page.title}</title>" in html
    assert f'<script type="module" src="/static/{page.script}"></script>' in html
    assert (FOLDER / f"{page.name}.html").read_text("utf-8") in html
    assert html.count('aria-current="page"') == bool(page.path)
    assert html.count('<nav aria-label="Site">') == page.has_navigation


def test_head_is_written_in_one_file() -> None:
    heads = [path.name for path in FOLDER.glob("*.html") if "<head>" in path.read_text("utf-8")]
    assert heads == ["frame.html"]
