"""Settings of services elsewhere that work for Cinemill, and what they may cost."""

from __future__ import annotations

from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from cinemill.config import checks, fields
from cinemill.config.fields import setting


class ServiceSettings(BaseSettings):
    """The part of :class:`~.model.Settings` that is about services elsewhere."""

    language_model_url: fields.HttpUrl | None = setting("CINEMILL_LANGUAGE_MODEL_URL")
    """Server of the language model that writes answers, up to its version, such as
    http://127.0.0.1:8000/v1. Default: Anthropic's own with CINEMILL_LANGUAGE_MODEL_API
    'anthropic', else none."""
    language_model_key: SecretStr | None = setting("CINEMILL_LANGUAGE_MODEL_KEY")
    """Key for that server, where it requires one."""
    language_model_api: Literal["openai", "anthropic"] = setting(
        "CINEMILL_LANGUAGE_MODEL_API", "openai"
    )
    """Protocol of that server: 'openai' (also vLLM, llama.cpp, Ollama, NIM) or 'anthropic'."""
    language_model: checks.LanguageModelName | None = setting("CINEMILL_LANGUAGE_MODEL")
    """Name of the language model on that server. Unset: answers are quotations from the videos."""
    language_model_entities: checks.LanguageModelUse = setting(
        "CINEMILL_LANGUAGE_MODEL_ENTITIES", False
    )
    """Have the language model find the entities of videos, in any language: all that is said and
    read in a video is sent to it. Off: a parser on the worker finds them in English."""
    language_model_input_dollars: fields.Dollars | None = setting(
        "CINEMILL_LANGUAGE_MODEL_INPUT_DOLLARS"
    )
    """Price of a million tokens that the language model reads about entities; 0 for a server of
    your own. Where it is unset, a cap on dollars refuses every request about them."""
    language_model_output_dollars: fields.Dollars | None = setting(
        "CINEMILL_LANGUAGE_MODEL_OUTPUT_DOLLARS"
    )
    """Price of a million tokens that it writes."""

    aws_region: str | None = setting("AWS_REGION")
    """Region of Amazon Rekognition and of its bucket. Unset: as AWS' own tools find it."""
    rekognition_bucket: str | None = setting("REKOGNITION_BUCKET")
    """S3 bucket to which videos are uploaded for Rekognition. Unset: Rekognition is not used. The
    keys come from where AWS' own tools find them."""
    rekognition_prefix: str = setting("REKOGNITION_PREFIX", "cinemill/")
    """What the names of these objects begin with; they are deleted after the analysis."""
    rekognition_topic: str | None = setting("REKOGNITION_TOPIC")
    """ARN of an SNS topic on which Rekognition announces that it is done; use with
    REKOGNITION_ROLE. Cinemill asks Rekognition with or without it."""
    rekognition_role: checks.TopicRole = setting("REKOGNITION_ROLE")
    """ARN of the role with which Rekognition may write to REKOGNITION_TOPIC."""
    rekognition_minute_dollars: fields.Dollars | None = setting("REKOGNITION_MINUTE_DOLLARS")
    """Price of a minute of video, for each thing that Rekognition looks for. Default: the list
    prices that Cinemill knows."""
    nvidia_base_url: fields.HttpUrl | None = setting("NVIDIA_BASE_URL")
    """Server of a vision model: a NIM container, or any other that is compatible with OpenAI's
    chat. Unset: NVIDIA is not used, unless NVIDIA_INPUT is 'asset'."""
    nvidia_api_key: SecretStr | None = setting("NVIDIA_API_KEY")
    """Key of that server, if it needs one."""
    nvidia_model: str | None = setting("NVIDIA_MODEL")
    """Model to ask for. Unset: the only one that the server has."""
    nvidia_input: Literal["clip", "frames", "asset"] = setting("NVIDIA_INPUT", "clip")
    """What the model is sent: 'clip' for Cosmos, 'frames' for any model that sees images, or
    'asset' for the VILA that NVIDIA hosts."""
    nvidia_assets_url: fields.HttpUrl = setting("NVIDIA_ASSETS_URL", "https://api.nvcf.nvidia.com")
    """Where clips are uploaded with NVIDIA_INPUT 'asset', and where late answers are asked for."""
    nvidia_request_dollars: fields.Dollars | None = setting("NVIDIA_REQUEST_DOLLARS")
    """Price of a request; 0 for a server of your own. Where it is unset, a cap on dollars refuses
    every request, since nobody knows what it costs."""
    provider_dollars_per_video: fields.Dollars | None = setting("PROVIDER_DOLLARS_PER_VIDEO")
    """Maximum that services may cost for one video, by estimate. Unset: no limit."""
    provider_dollars_per_day: fields.Dollars | None = setting("PROVIDER_DOLLARS_PER_DAY")
    """Maximum that one service may cost in a day (UTC), by estimate. Unset: no limit."""
    provider_requests_per_day: fields.Count | None = setting("PROVIDER_REQUESTS_PER_DAY")
    """Maximum requests to a vision model's server in a day (UTC), and as many to a language model's
    about entities. Unset: no limit."""
