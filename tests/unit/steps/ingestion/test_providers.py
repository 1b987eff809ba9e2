"""Providers in the plan of an ingestion: who looks, at what, and what is left to this machine."""

from __future__ import annotations

import pytest

from cinemill.capabilities.analysis.providers.parameters import (
    FeatureParameters,
    RekognitionParameters,
    plan_rekognition,
)
from cinemill.capabilities.analysis.providers.rekognition_handler import list_kinds
from cinemill.capabilities.analysis.providers.vision_handlers import FOUND
from cinemill.capabilities.ingest.plan import (
    IngestParameters,
    OrchestrationParameters,
    plan_ingest,
    plan_orchestration,
)
from cinemill.core.job import StepSpec
from cinemill.core.parameter_reader import read_parameters
from cinemill.errors import InputRejected
from cinemill.inference.providers.rekognition.features import Feature
from cinemill.steps.ingestion import kinds
from cinemill.steps.ingestion.profiles import CONTENTS, Profile
from cinemill.steps.ingestion.providers import REPLACED, Provider


def plan(profile: Profile | None, provider: Provider) -> dict[str, StepSpec]:
    steps = plan_ingest(IngestParameters(profile=profile, provider=provider), "an-asset")
    return {step.name: step for step in steps}


def test_local_ingestion_has_no_step_of_a_provider() -> None:
    assert "provider" not in plan(Profile.FULL, Provider.LOCAL)


@pytest.mark.parametrize(
    ("provider", "kind"),
    [
        (Provider.REKOGNITION, kinds.ANALYZE_WITH_REKOGNITION),
        (Provider.NVIDIA, kinds.ANALYZE_WITH_NVIDIA),
    ],
)
def test_passages_wait_for_the_provider(provider: Provider, kind: str) -> None:
    steps = plan(Profile.STANDARD, provider)
    assert steps["provider"].kind == kind
    assert "provider" in steps["passages"].after
    assert steps["chunks"].params["provider"] == provider.value
    assert "provider" not in steps["chunks"].after


@pytest.mark.parametrize("profile", [None, Profile.QUICK])
def test_provider_without_pictures_to_look_at_is_refused(profile: Profile | None) -> None:
    with pytest.raises(InputRejected) as caught:
        plan(profile, Provider.REKOGNITION)
    assert caught.value.code == "provider_not_needed"


@pytest.mark.parametrize("profile", [Profile.STANDARD, Profile.FULL])
def test_rekognition_finds_what_this_machine_then_does_not(profile: Profile) -> None:
    params = plan(profile, Provider.REKOGNITION)["provider"].params
    features = read_parameters(FeatureParameters, dict(params)).features
    found = {kind for feature in features for kind in list_kinds(feature)}
    assert CONTENTS[profile].frames <= found
    assert REPLACED[Provider.REKOGNITION] <= found
    assert Feature.SEGMENTS not in features


def test_vision_model_finds_what_this_machine_then_does_not() -> None:
    assert REPLACED[Provider.NVIDIA] <= set(FOUND)


def test_orchestration_takes_a_provider() -> None:
    params = OrchestrationParameters(provider=Provider.NVIDIA)
    steps = {step.name: step for step in plan_orchestration(params, "an-asset")}
    assert steps["provider"].kind == kinds.ANALYZE_WITH_NVIDIA


def test_features_are_chosen_once_each() -> None:
    params = read_parameters(RekognitionParameters, {"features": ["text", "TEXT", "labels"]})
    *_, step = plan_rekognition(params, "an-asset")
    assert step.params == {"features": ["text", "labels"]}


@pytest.mark.parametrize("features", [None, []])
def test_without_features_all_are_looked_for(features: list[str] | None) -> None:
    params = read_parameters(RekognitionParameters, {"features": features})
    assert params.features == tuple(Feature)


def test_unknown_feature_is_refused_with_a_sentence() -> None:
    with pytest.raises(InputRejected) as caught:
        read_parameters(RekognitionParameters, {"features": ["people"]})
    assert caught.value.code == "features_invalid"
    assert "labels, segments, faces, text or moderation" in caught.value.message
