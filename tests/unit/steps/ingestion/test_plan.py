"""The plan of an ingestion: what a profile includes, and in which order."""

from __future__ import annotations

import pytest

from cinemill.capabilities.ingest.plan import (
    IngestParameters,
    OrchestrationParameters,
    plan_ingest,
    plan_orchestration,
)
from cinemill.catalog import STEP_KINDS
from cinemill.core.findings.finding import FindingKind
from cinemill.core.job import StepSpec
from cinemill.steps.ingestion import kinds
from cinemill.steps.ingestion.profiles import CONTENTS, Profile


def list_ancestors(steps: list[StepSpec], name: str) -> set[str]:
    parents = {step.name: step.after for step in steps}
    found: set[str] = set()
    todo = [name]
    while todo:
        for parent in parents[todo.pop()]:
            if parent not in found:
                found.add(parent)
                todo.append(parent)
    return found


def test_without_a_profile_a_video_is_only_prepared() -> None:
    steps = plan_ingest(IngestParameters(), "an-asset")
    assert [step.name for step in steps] == ["probe", "prepare"]


@pytest.mark.parametrize("profile", list(Profile))
def test_summary_comes_after_everything(profile: Profile) -> None:
    steps = plan_ingest(IngestParameters(profile=profile), "an-asset")
    assert steps[-1].name == "summary"
    names = {step.name for step in steps}
    assert list_ancestors(steps, "summary") == names - {"summary"}
    assert {step.kind for step in steps} <= set(STEP_KINDS)


@pytest.mark.parametrize("profile", list(Profile))
def test_models_look_at_what_preparing_has_decoded(profile: Profile) -> None:
    steps = plan_ingest(IngestParameters(profile=profile), "an-asset")
    assert "prepare" in list_ancestors(steps, "shots")


def test_each_profile_includes_the_one_before() -> None:
    planned = [
        {step.kind for step in plan_ingest(IngestParameters(profile=profile), "an-asset")}
        for profile in Profile
    ]
    assert planned[0] < planned[1] < planned[2]
    frames = [CONTENTS[profile].frames for profile in Profile]
    assert frames[0] < frames[1] < frames[2]
    assert frames[2] == {*(FindingKind.TEXT, FindingKind.TAG, FindingKind.FACE, FindingKind.OBJECT)}


def test_orchestration_is_an_ingestion_with_a_profile() -> None:
    assert plan_orchestration(OrchestrationParameters(), "an-asset") == plan_ingest(
        IngestParameters(profile=Profile.STANDARD), "an-asset"
    )


def test_knowledge_is_no_part_of_the_quick_profile() -> None:
    steps = plan_ingest(IngestParameters(profile=Profile.QUICK), "an-asset")
    assert kinds.EXTRACT_RELATIONS not in {step.kind for step in steps}
