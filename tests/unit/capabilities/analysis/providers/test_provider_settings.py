"""Settings of services: what they mean for prices, caps and the provider that is opened."""

from __future__ import annotations

import pytest

from cinemill.capabilities.analysis.providers.opening import (
    get_rekognition,
    get_vision,
    make_vision_provider,
    read_channel,
)
from cinemill.capabilities.analysis.providers.vision_models import (
    CosmosProvider,
    FramesProvider,
    VilaProvider,
)
from cinemill.config import load
from cinemill.errors import InputRejected
from cinemill.inference.providers.nvidia.http import HttpCaller
from cinemill.steps.costs.limits import read_caps, read_prices
from cinemill.steps.service_settings import ServiceSettings
from cinemill.worker.services import read_services

TOPIC, ROLE = "arn:aws:sns:eu-west-1:123456789012:t", "arn:aws:iam::123456789012:role/r"


def read(**environ: str) -> ServiceSettings:
    return read_services(load(environ))


def test_nothing_is_set_up_by_default() -> None:
    services = read()
    assert services == ServiceSettings()
    for get in (get_rekognition, get_vision):
        with pytest.raises(InputRejected, match="is not set up on this instance") as caught:
            get(services)
        assert caught.value.code == "provider_not_set_up"
        assert caught.value.is_retryable


def test_bucket_sets_rekognition_up() -> None:
    settings = get_rekognition(read(REKOGNITION_BUCKET="films", AWS_REGION="eu-west-1"))
    assert (settings.bucket, settings.region, settings.prefix) == (
        "films",
        "eu-west-1",
        "cinemill/",
    )
    assert read_channel(settings) is None


def test_topic_is_passed_on() -> None:
    services = read(REKOGNITION_BUCKET="films", REKOGNITION_TOPIC=TOPIC, REKOGNITION_ROLE=ROLE)
    channel = read_channel(get_rekognition(services))
    assert channel is not None
    assert (channel.topic_arn, channel.role_arn) == (TOPIC, ROLE)


def test_caps_are_exact() -> None:
    caps = read_caps(read(PROVIDER_DOLLARS_PER_VIDEO="1.1", PROVIDER_DOLLARS_PER_DAY="0"))
    assert (caps.most_micros_per_video, caps.most_micros_per_day) == (1_100_000, 0)
    assert caps.most_requests_per_day is None


def test_price_of_a_server_is_unknown_until_it_is_set() -> None:
    assert "nvidia.request" not in read_prices(read(NVIDIA_BASE_URL="http://nim:8000"))
    prices = read_prices(read(NVIDIA_BASE_URL="http://nim:8000", NVIDIA_REQUEST_DOLLARS="0.0025"))
    assert prices["nvidia.request"].micros_per_request == 2500


def test_price_of_rekognition_can_be_replaced() -> None:
    services = read(REKOGNITION_BUCKET="films", REKOGNITION_MINUTE_DOLLARS="0.12")
    assert {one.micros_per_minute for one in read_prices(services).values()} == {120_000}


@pytest.mark.parametrize(
    ("given", "expected"),
    [("clip", CosmosProvider), ("frames", FramesProvider), ("asset", VilaProvider)],
)
def test_input_chooses_the_provider(given: str, expected: type) -> None:
    settings = get_vision(read(NVIDIA_BASE_URL="http://nim:8000", NVIDIA_INPUT=given))
    with HttpCaller() as caller:
        provider = make_vision_provider(settings, caller)
    assert type(provider) is expected
    assert provider.name == "nvidia"


def test_hosted_model_needs_no_address() -> None:
    assert get_vision(read(NVIDIA_INPUT="asset", NVIDIA_API_KEY="k")).url is None


def test_key_is_not_shown() -> None:
    services = read(NVIDIA_BASE_URL="http://nim:8000", NVIDIA_API_KEY="hunter2hunter2")
    assert get_vision(services).api_key == "hunter2hunter2"
    assert "hunter2" not in repr(services)
