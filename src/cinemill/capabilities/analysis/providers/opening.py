"""Services as the settings describe them: how they are reached, and what they may cost."""

from __future__ import annotations

from cinemill.capabilities.analysis.providers.calls import CallDesk
from cinemill.capabilities.analysis.providers.vision_models import (
    CosmosProvider,
    FramesProvider,
    Gateway,
    VilaProvider,
    VisionProvider,
)
from cinemill.errors import InputRejected
from cinemill.inference.providers.nvidia.http import HttpCaller
from cinemill.inference.providers.nvidia.requests import VILA_URL
from cinemill.inference.providers.nvidia.server import VisionServer
from cinemill.inference.providers.rekognition.client import AwsAccess
from cinemill.inference.providers.rekognition.requests import NotificationChannel
from cinemill.jobs.step import StepContext
from cinemill.steps.costs.ledger import DatabaseLedger
from cinemill.steps.costs.limits import read_caps, read_prices
from cinemill.steps.resources import StepResources
from cinemill.steps.service_settings import (
    RekognitionSettings,
    ServiceSettings,
    VisionInput,
    VisionSettings,
)

NVIDIA = "nvidia"


def open_desk(resources: StepResources, context: StepContext, asset_id: str) -> CallDesk:
    """Return what the analyses of a step have in common."""
    services = resources.services
    return CallDesk(
        context,
        resources.database,
        DatabaseLedger(resources.database),
        read_caps(services),
        read_prices(services),
        asset_id,
    )


def get_rekognition(services: ServiceSettings) -> RekognitionSettings:
    """Return the settings of Rekognition. Raises InputRejected (``provider_not_set_up``)."""
    if services.rekognition is None:
        raise _not_set_up("Amazon Rekognition", "REKOGNITION_BUCKET and AWS_REGION")
    return services.rekognition


def get_vision(services: ServiceSettings) -> VisionSettings:
    """Return the settings of NVIDIA's model. Raises InputRejected (``provider_not_set_up``)."""
    if services.nvidia is None:
        raise _not_set_up("NVIDIA's vision model", "NVIDIA_BASE_URL")
    return services.nvidia


def read_access(settings: RekognitionSettings) -> AwsAccess:
    """Return how Amazon is reached. Keys and endpoints are found as AWS' own tools find them."""
    return AwsAccess(region=settings.region)


def read_channel(settings: RekognitionSettings) -> NotificationChannel | None:
    """Return the topic on which Rekognition announces the end of a job, if one is set."""
    if settings.topic_arn is None or settings.role_arn is None:
        return None
    return NotificationChannel(settings.topic_arn, settings.role_arn)


def make_vision_provider(settings: VisionSettings, caller: HttpCaller) -> VisionProvider:
    """Return the provider that sends what the settings choose."""
    gateway = Gateway(settings.assets_url, settings.url or VILA_URL)
    server = VisionServer(settings.url or VILA_URL, settings.api_key, settings.model, NVIDIA)
    chosen: dict[VisionInput, type[VisionProvider]] = {
        VisionInput.CLIP: CosmosProvider,
        VisionInput.FRAMES: FramesProvider,
        VisionInput.ASSET: VilaProvider,
    }
    return chosen[settings.input](caller, server, gateway=gateway)


def _not_set_up(service: str, names: str) -> InputRejected:
    error = InputRejected(
        f"{service} is not set up on this instance.",
        code="provider_not_set_up",
        hint=f"Set {names} where the workers run, then retry the job; or use the provider local.",
    )
    error.is_retryable = True
    return error
