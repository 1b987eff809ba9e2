"""Every command in the README, the tutorial and the how-tos runs as it is printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.docs.markdown_pages import ROOT, Page, list_pages, parse_page
from tests.integration.docs.page_checks import check_block, check_shell, check_span
from tests.integration.docs.page_session import (
    Reader,
    clone_for,
    run_blocks,
    running_instance,
    shrink_samples,
)
from tests.model_files import fetch_models

PAGES = list_pages("README.md", "docs/tutorial/**/*.md", "docs/how-to/**/*.md")
ALL_PAGES = list_pages("README.md", "docs/**/*.md")
SELF_STARTED = [page for page in PAGES if page.starts_server]
OTHERS = [page for page in PAGES if page.runnable and page not in SELF_STARTED]


def name_page(page: Page) -> str:
    return page.name


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """With an instance that runs and has a model, as pages assume that start none."""
    folder = tmp_path_factory.mktemp("reader")
    reader = clone_for(Reader(folder, samples=shrink_samples(folder / "samples")))
    reader.data.mkdir(parents=True)
    (reader.data / "models").symlink_to(fetch_models("tiny.en"))
    with running_instance(reader):
        yield reader


@pytest.mark.parametrize("page", SELF_STARTED, ids=name_page)
def test_page_runs_from_a_fresh_clone(page: Page, tmp_path: Path) -> None:
    run_blocks(clone_for(Reader(tmp_path)), page.runnable)


@pytest.mark.parametrize("page", OTHERS, ids=name_page)
def test_page_runs_next_to_a_running_instance(page: Page, reader: Reader) -> None:
    run_blocks(clone_for(replace(reader, clone_name=page.path.stem)), page.runnable)


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_page)
def test_page_names_what_exists(page: Page) -> None:
    faults = [
        f"{block.place}: {fault}"
        for block in page.blocks
        if not (block.is_python and block in page.runnable and page in PAGES)
        for fault in check_block(block)
    ]
    faults += [f"{place}: {fault}" for place, text in page.spans for fault in check_span(text)]
    assert faults == []


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_page)
def test_page_links_lead_somewhere(page: Page) -> None:
    broken = [target for target in page.links if not (page.path.parent / target).exists()]
    assert broken == []


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("cinemill transcode video.mp4 --codek av1", "No such option"),
        ("X=$(cinemill submitt video.mp4)", "No such command"),
        ("true && .venv/bin/cinemill jobs --state gone", "gone"),
        ("curl -f -X POST http://127.0.0.1:8420/uploads", "no POST /uploads"),
        ("curl -fsX DELETE http://127.0.0.1:8420/upload", "no DELETE /upload"),
        ("curl -T a.srt $API/assets/$ASSET/captions", "no PUT"),
        ("make demmo VIDEO=a.mp4", "no target demmo"),
        ("export CINEMILL_PROT=8000", "no setting CINEMILL_PROT"),
        ("if cinemill up; then", "does not understand"),
    ],
)
def test_check_finds_what_does_not_exist(script: str, fault: str) -> None:
    assert any(fault in found for found in check_shell(script))


def test_comment_before_a_block_says_why_it_is_not_run() -> None:
    text = "<!-- not run: needs Docker -->\n```console\nmake up\n```\n\n```sh\nmake up\n```\n"
    marked, plain = parse_page(ROOT / "README.md", text).blocks
    assert (marked.reason, plain.reason) == ("needs Docker", "")


def test_page_that_fails_is_reported_with_its_command(tmp_path: Path) -> None:
    page = parse_page(ROOT / "README.md", "```sh\necho first\nfalse # no\necho last\n```\n")
    reader = Reader(tmp_path)
    reader.clone.mkdir()
    with pytest.raises(AssertionError, match=r"README\.md:1: this failed: false") as caught:
        run_blocks(reader, page.runnable)
    assert "last" not in str(caught.value)


def test_page_that_would_install_something_is_not_run(tmp_path: Path) -> None:
    page = parse_page(ROOT / "README.md", "```sh\npython -m pip install numpy\n```\n")
    with pytest.raises(AssertionError, match="not run"):
        run_blocks(Reader(tmp_path), page.runnable)
