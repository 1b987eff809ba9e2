"""Labels of manifests, which are anyone's: looked up as they are, and no reason to fail."""

from __future__ import annotations

import json

import pytest

from cinemill.core.origin.provenance import ProvenanceReport, ProvenanceState
from cinemill.media.provenance.child import read_written


def read(store: object) -> ProvenanceReport:
    return read_written(json.dumps(store), "reader 1", has_trust_list=True)


@pytest.mark.parametrize(
    "label", ["urn:" + "x" * 2000, "urn:a\x07b\u202ec", " urn:a ", ""], ids=ascii
)
def test_manifest_is_found_by_any_label(label: str) -> None:
    manifest = {"title": "Harbor at dawn"}
    store = {"active_manifest": label, "manifests": {label: manifest}, "validation_state": "Valid"}
    report = read(store)
    assert report.state is ProvenanceState.UNTRUSTED_SIGNER
    assert report.title == "Harbor at dawn"


@pytest.mark.parametrize(
    "store", [{}, {"active_manifest": ["a"]}, {"active_manifest": "a", "manifests": {"b": {}}}]
)
def test_account_without_an_active_manifest_is_a_failed_reading(store: object) -> None:
    report = read(store)
    assert report.state is ProvenanceState.FAILED
    assert report.has_trust_list
    assert "cannot be read" in report.reason


@pytest.mark.parametrize("written", ["", "{", "[" * 100_000, "[]", "null"])
def test_account_that_is_no_object_is_a_failed_reading(written: str) -> None:
    report = read_written(written, "reader 1", has_trust_list=False)
    assert report.state is ProvenanceState.FAILED
