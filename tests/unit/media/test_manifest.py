"""A C2PA reader's report as our own types: states, and texts from anyone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinemill.core.origin.provenance import ProvenanceReport, ProvenanceState
from cinemill.media.provenance.manifest import LONGEST_TEXT, read_store


def make_store(
    state: str, *, failures: list[str] | None = None, successes: list[str] | None = None
) -> dict[str, Any]:
    return {
        "active_manifest": "urn:c2pa:1",
        "manifests": {"urn:c2pa:1": {"title": "Harbor"}},
        "validation_state": state,
        "validation_results": {
            "activeManifest": {
                "success": [{"code": code} for code in successes or []],
                "failure": [{"code": code} for code in failures or []],
            }
        },
    }


def read(store: dict[str, Any]) -> ProvenanceReport:
    return read_store(store, has_trust_list=True, reader="reader 1")


TRUSTED, UNTRUSTED = "signingCredential.trusted", "signingCredential.untrusted"


@pytest.mark.parametrize(
    ("state", "failures", "successes", "expected"),
    [
        ("Trusted", [], [TRUSTED], ProvenanceState.TRUSTED),
        ("Trusted", [], [], ProvenanceState.UNTRUSTED_SIGNER),
        ("Trusted", [UNTRUSTED], [TRUSTED], ProvenanceState.UNTRUSTED_SIGNER),
        ("Valid", [UNTRUSTED], [], ProvenanceState.UNTRUSTED_SIGNER),
        ("Valid", ["assertion.bmffHash.mismatch"], [], ProvenanceState.INVALID),
        ("Trusted", ["claimSignature.mismatch"], [TRUSTED], ProvenanceState.INVALID),
        ("Invalid", [], [], ProvenanceState.INVALID),
        ("Invalid", [UNTRUSTED], [], ProvenanceState.INVALID),
        ("", [], [TRUSTED], ProvenanceState.INVALID),
        ("SomethingNew", [], [TRUSTED], ProvenanceState.INVALID),
    ],
)
def test_state_is_the_worse_of_what_is_stated_and_what_was_checked(
    state: str, failures: list[str], successes: list[str], expected: ProvenanceState
) -> None:
    assert read(make_store(state, failures=failures, successes=successes)).state is expected


def test_ingredient_that_fails_its_checks_makes_it_invalid() -> None:
    store = make_store("Trusted", successes=[TRUSTED])
    delta = {"validationDeltas": {"failure": [{"code": "ingredient.hashedURI.mismatch"}]}}
    store["validation_results"]["ingredientDeltas"] = [delta]
    assert read(store).state is ProvenanceState.INVALID


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("assertion.bmffHash.mismatch", "changed after it was signed"),
        ("assertion.dataHash.mismatch", "changed after it was signed"),
        ("assertion.hashedURI.mismatch", "changed after it was signed"),
        ("signingCredential.expired", "had expired"),
        ("signingCredential.revoked", "was revoked"),
        ("signingCredential.invalid", "may not be used"),
        ("claimSignature.mismatch", "does not fit"),
        ("general.error", "(general.error)"),
    ],
)
def test_invalid_credentials_say_what_is_wrong(code: str, words: str) -> None:
    (sentence,) = read(make_store("Invalid", failures=[code])).list_sentences()
    assert sentence.startswith("The content credentials are not valid: ")
    assert words in sentence


def test_report_without_an_active_manifest_is_refused() -> None:
    with pytest.raises(ValueError, match="no active manifest"):
        read({"manifests": {}, "validation_state": "Trusted"})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=400),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=20,
)
FIELDS = ("title", "claim_generator", "claim_generator_info", "assertions", "ingredients")


@given(st.dictionaries(st.sampled_from([*FIELDS, "signature_info"]), ANYTHING), ANYTHING)
def test_whatever_a_manifest_holds_is_read_bounded_and_survives_json(
    manifest: dict[str, Any], results: Any
) -> None:
    store = {
        "active_manifest": "one",
        "manifests": {"one": {**manifest, "label": "one"}},
        "validation_results": results,
        "validation_state": "Trusted",
    }
    report = read(store)
    assert report.state is not ProvenanceState.TRUSTED
    document = json.loads(json.dumps(report.to_json()))
    assert ProvenanceReport.from_json(document) == report
    assert len(report.title) <= LONGEST_TEXT


@given(st.text())
def test_texts_hide_and_turn_nothing(text: str) -> None:
    store = make_store("Valid")
    store["manifests"]["urn:c2pa:1"]["title"] = text
    title = read(store).title
    assert "\n" not in title
    assert not set(title) & set("\u202e\u200b\u2066\x00\x1b")
    title.encode()
