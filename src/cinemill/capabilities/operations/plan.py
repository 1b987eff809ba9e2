"""Parameters of operations to their steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cinemill.capabilities.operations import kinds
from cinemill.core.job import StepSpec
from cinemill.errors import InputRejected
from cinemill.steps.parameters import MAX_NUMBER, check_names

MAX_OUTPUT_AGE_DAYS = 7.0
MAX_OUTPUT_GIGABYTES = 50.0


def plan_cleanup(params: Mapping[str, Any], _asset_id: str | None) -> list[StepSpec]:
    """Renditions and previews by name that are too old or too many. Raises InputRejected."""
    check_names(params, {"max_age_days", "max_size_gb"})
    values = {
        "max_age_days": _read_amount(params, "max_age_days", MAX_OUTPUT_AGE_DAYS),
        "max_size_gb": _read_amount(params, "max_size_gb", MAX_OUTPUT_GIGABYTES),
    }
    return [StepSpec("clean", kinds.CLEAN_OUTPUTS, values)]


def _read_amount(params: Mapping[str, Any], name: str, default: float) -> float:
    value = params.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= MAX_NUMBER:
        raise InputRejected(
            f"{name} must be a number from 0 to {MAX_NUMBER}.", code="params_invalid"
        )
    return float(value)
