"""A C2PA reader's JSON report as our own types. Every text in it is anyone's: all is bounded.

Field names after the manifest store report of c2pa-rs; status codes after the C2PA specification
2.1, section 15.2; digital source types after https://cv.iptc.org/newscodes/digitalsourcetype/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from cinemill.core.documents import JsonObject
from cinemill.core.origin.provenance import (
    ProvenanceProblem,
    ProvenanceReport,
    ProvenanceState,
    Signer,
    StatedAction,
    StatedIngredient,
)

LONGEST_TEXT = 200
MOST_ACTIONS = 50
MOST_INGREDIENTS = 50
MOST_PROBLEMS = 20
UNTRUSTED = "signingCredential.untrusted"
TRUSTED = "signingCredential.trusted"
_TIME_TRUSTED = "timeStamp.trusted"
_TIME_UNTRUSTED = "timeStamp.untrusted"
_TOLERATED = frozenset({UNTRUSTED, _TIME_UNTRUSTED})
"""Failures that concern who vouches, and not whether the credentials are intact."""
_ACTIONS = re.compile(r"c2pa\.actions(\.v\d+)?(__\d+)?")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_GENERATIVE = frozenset(
    {
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "compositeSynthetic",
        "trainedAlgorithmicData",
    }
)
_Item = TypeVar("_Item")


def read_store(store: JsonObject, *, has_trust_list: bool, reader: str) -> ProvenanceReport:
    """Return what a reader's report on a file says about the active manifest.

    Raises ValueError where the report has none.
    """
    manifests = _object(store.get("manifests"))
    label = store.get("active_manifest")
    manifest = _object(manifests.get(label)) if isinstance(label, str) else {}
    if not manifest:
        raise ValueError("the report names no active manifest")
    failures, successes = _list_statuses(store, "failure"), _list_statuses(store, "success")
    problems = [one for one in failures if one.code not in _TOLERATED]
    passed = {one.code for one in successes}
    state = _decide(_text(store.get("validation_state")), problems, failures, passed)
    actions = [*_read_actions(manifest)]
    ingredients = [*map(_read_ingredient, _objects(manifest.get("ingredients")))]
    return ProvenanceReport(
        state=state,
        signer=_read_signer(_object(manifest.get("signature_info")), passed),
        claim_generator=_read_generator(manifest),
        title=_text(manifest.get("title")),
        actions=tuple(actions[:MOST_ACTIONS]),
        ingredients=tuple(ingredients[:MOST_INGREDIENTS]),
        problems=tuple(problems[:MOST_PROBLEMS]),
        manifests=len(manifests),
        is_shortened=len(actions) > MOST_ACTIONS
        or len(ingredients) > MOST_INGREDIENTS
        or len(problems) > MOST_PROBLEMS,
        has_trust_list=has_trust_list,
        reader=reader,
    )


def _decide(
    stated: str,
    problems: Sequence[ProvenanceProblem],
    failures: Sequence[ProvenanceProblem],
    passed: set[str],
) -> ProvenanceState:
    """Return the state; where the reader's own word and its list of checks differ, the worse."""
    if problems or stated == "Invalid" or stated not in {"Valid", "Trusted"}:
        return ProvenanceState.INVALID
    is_vouched = TRUSTED in passed and all(one.code != UNTRUSTED for one in failures)
    if stated == "Trusted" and is_vouched:
        return ProvenanceState.TRUSTED
    return ProvenanceState.UNTRUSTED_SIGNER


def _list_statuses(store: JsonObject, kind: str) -> list[ProvenanceProblem]:
    """Return the checks of the active manifest, and those of its ingredients that went wrong."""
    results = _object(store.get("validation_results"))
    found = [*_read_statuses(_object(results.get("activeManifest")).get(kind))]
    if kind == "failure":
        for delta in _objects(results.get("ingredientDeltas")):
            found += _read_statuses(_object(delta.get("validationDeltas")).get(kind))
    return _unique(found)


def _read_statuses(value: object) -> Iterator[ProvenanceProblem]:
    for status in _objects(value):
        yield ProvenanceProblem(_text(status.get("code")), _text(status.get("explanation")))


def _read_signer(info: JsonObject, passed: set[str]) -> Signer | None:
    if not info:
        return None
    return Signer(
        name=_text(info.get("common_name")),
        issuer=_text(info.get("issuer")),
        algorithm=_text(info.get("alg")),
        serial_number=_text(info.get("cert_serial_number")),
        signed_at=_text(info.get("time")),
        is_time_trusted=_TIME_TRUSTED in passed,
    )


def _read_generator(manifest: JsonObject) -> str:
    for one in _objects(manifest.get("claim_generator_info")):
        return " ".join(filter(None, (_text(one.get("name")), _text(one.get("version")))))
    return _text(manifest.get("claim_generator"))


def _read_actions(manifest: JsonObject) -> Iterator[StatedAction]:
    for assertion in _objects(manifest.get("assertions")):
        if _ACTIONS.fullmatch(_text(assertion.get("label"))):
            data = _object(assertion.get("data"))
            yield from map(_read_action, _objects(data.get("actions")))


def _read_action(action: JsonObject) -> StatedAction:
    agent = action.get("softwareAgent")
    software = _text(_object(agent).get("name")) if isinstance(agent, Mapping) else _text(agent)
    source_type = _text(action.get("digitalSourceType")).rsplit("/", 1)[-1]
    return StatedAction(
        name=_text(action.get("action")),
        when=_text(action.get("when")),
        software=software,
        source_type=source_type,
        is_generative=source_type in _GENERATIVE,
    )


def _read_ingredient(ingredient: JsonObject) -> StatedIngredient:
    return StatedIngredient(
        title=_text(ingredient.get("title")),
        relationship=_text(ingredient.get("relationship")),
        has_credentials=bool(ingredient.get("active_manifest")),
    )


def _object(value: object) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


def _objects(value: object) -> list[JsonObject]:
    """Return the objects in a list, of which there may be a few more than are kept."""
    most = max(MOST_ACTIONS, MOST_INGREDIENTS, MOST_PROBLEMS) + 1
    listed = value[: 10 * most] if isinstance(value, list) else []
    return [one for one in listed if isinstance(one, Mapping)]


def _text(value: object, *, longest: int = LONGEST_TEXT) -> str:
    """Return a text on one line, without characters that hide or turn others, and not too long."""
    if not isinstance(value, str):
        return ""
    text = _UNPRINTABLE.sub(" ", value[: 4 * longest]).strip()
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _unique(items: Iterable[_Item]) -> list[_Item]:
    return list(dict.fromkeys(items))
