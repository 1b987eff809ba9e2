"""The settings of services that analyze videos elsewhere, as handlers are given them."""

from __future__ import annotations

from cinemill.config import Settings
from cinemill.steps.service_settings import (
    RekognitionSettings,
    ServiceSettings,
    TokenDollars,
    VisionInput,
    VisionSettings,
)


def read_services(settings: Settings) -> ServiceSettings:
    """Return the services that the settings name; none by default."""
    return ServiceSettings(
        rekognition=_read_rekognition(settings),
        nvidia=_read_nvidia(settings),
        language_model=TokenDollars(
            settings.language_model_input_dollars, settings.language_model_output_dollars
        ),
        dollars_per_video=settings.provider_dollars_per_video,
        dollars_per_day=settings.provider_dollars_per_day,
        requests_per_day=settings.provider_requests_per_day,
    )


def _read_rekognition(settings: Settings) -> RekognitionSettings | None:
    if settings.rekognition_bucket is None:
        return None
    return RekognitionSettings(
        bucket=settings.rekognition_bucket,
        region=settings.aws_region,
        prefix=settings.rekognition_prefix,
        topic_arn=settings.rekognition_topic,
        role_arn=settings.rekognition_role,
        minute_dollars=settings.rekognition_minute_dollars,
    )


def _read_nvidia(settings: Settings) -> VisionSettings | None:
    given = VisionInput(settings.nvidia_input)
    if settings.nvidia_base_url is None and given is not VisionInput.ASSET:
        return None
    key = settings.nvidia_api_key
    return VisionSettings(
        url=settings.nvidia_base_url,
        api_key=None if key is None else key.get_secret_value(),
        model=settings.nvidia_model,
        input=given,
        assets_url=settings.nvidia_assets_url,
        request_dollars=settings.nvidia_request_dollars,
    )
