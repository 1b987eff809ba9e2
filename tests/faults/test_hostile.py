"""The short form of the hostile corpus; ``python -m tests.faults.hostile`` runs the long one."""

from __future__ import annotations

import pytest
from tests.faults.hostile import PEAK_RSS_BYTES, Summary, print_summary, run_corpus
from tests.faults.mutations import MUTATIONS

COUNT = 60

pytestmark = pytest.mark.sandbox  # every second file is opened behind walls, where there are any


@pytest.fixture(scope="module")
def summary() -> Summary:
    found = run_corpus(seed=7, count=COUNT)
    print_summary(found, 7, sum(verdict.seconds for verdict in found.verdicts))
    return found


def test_every_mutation_was_tried(summary: Summary) -> None:
    tried = {verdict.mutation for verdict in summary.verdicts}
    assert tried == {mutation.__name__ for mutation in MUTATIONS}


def test_nothing_false_is_done_and_nothing_foreign_is_read(summary: Summary) -> None:
    assert not summary.broken


def test_most_of_the_corpus_is_refused(summary: Summary) -> None:
    assert summary.count_codes()["done"] < COUNT / 3


def test_no_file_eats_the_memory(summary: Summary) -> None:
    assert 0 < summary.peak_rss_bytes <= PEAK_RSS_BYTES
