"""Caps and prices as the settings have them."""

from __future__ import annotations

import math
from dataclasses import replace

from cinemill.steps.costs.cost import (
    DEFAULT_PRICES,
    MICROS_PER_DOLLAR,
    CostCaps,
    Price,
    PriceTable,
)
from cinemill.steps.service_settings import ServiceSettings

NVIDIA_REQUEST = "nvidia.request"
LANGUAGE_MODEL_INPUT = "language_model.input"
LANGUAGE_MODEL_OUTPUT = "language_model.output"


def read_caps(services: ServiceSettings) -> CostCaps:
    """Return the caps, in whole millionths of a dollar, rounded down."""
    return CostCaps(
        _cap(services.dollars_per_video),
        _cap(services.dollars_per_day),
        services.requests_per_day,
    )


def read_prices(services: ServiceSettings) -> PriceTable:
    """Return the prices that are known, rounded up; what a person has set comes first."""
    prices = dict(DEFAULT_PRICES)
    rekognition, nvidia = services.rekognition, services.nvidia
    if rekognition is not None and rekognition.minute_dollars is not None:
        micros = _price(rekognition.minute_dollars)
        for name, price in DEFAULT_PRICES.items():
            prices[name] = replace(price, micros_per_minute=micros, source="settings")
    if nvidia is not None and nvidia.request_dollars is not None:
        micros = _price(nvidia.request_dollars)
        prices[NVIDIA_REQUEST] = Price(micros_per_request=micros, source="settings")
    model = services.language_model
    for name, dollars in (
        (LANGUAGE_MODEL_INPUT, model.input),
        (LANGUAGE_MODEL_OUTPUT, model.output),
    ):
        if dollars is not None:
            prices[name] = Price(micros_per_million_tokens=_price(dollars), source="settings")
    return prices


def _cap(dollars: float | None) -> int | None:
    return None if dollars is None else math.floor(round(dollars * MICROS_PER_DOLLAR, 3))


def _price(dollars: float) -> int:
    return math.ceil(round(dollars * MICROS_PER_DOLLAR, 3))
