"""The short form of the hostile corpus; ``python -m tests.faults.hostile`` runs the long one."""

from __future__ import annotations

import pytest
from tests.faults.hostile import PEAK_RSS_BYTES, Summary, print_summary, run_corpus
from tests.faults.mutations import MUTATIONS

COUNT = 60

pytestmark = pytest.mark.sandbox  # every second file is opened in a sandbox, if there is one


@pytest.fixture(scope="module")
def summary() -> Summary:
    found = run_corpus(seed=7, count=COUNT)
    print_summary(found, 7, sum(verdict.seconds for verdict in found.verdicts))
    return found


def test_hostile_corpus_contains_every_mutation(summary: Summary) -> None:
    tried = {verdict.mutation for verdict in summary.verdicts}
    assert tried == {mutation.__name__ for mutation in MUTATIONS}


def test_hostile_files_never_produce_wrong_output_or_leak_other_files(summary: Summary) -> None:
    assert not summary.broken


def test_most_hostile_files_are_refused(summary: Summary) -> None:
    assert summary.count_codes()["done"] < COUNT / 3


def test_hostile_files_stay_within_the_memory_limit(summary: Summary) -> None:
    assert 0 < summary.peak_rss_bytes <= PEAK_RSS_BYTES
