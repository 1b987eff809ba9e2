"""What a package declares that adds a capability to Cinemill.

The package names a :class:`Capability` under the entry point ``cinemill.capabilities``::

    [project.entry-points."cinemill.capabilities"]
    loudness = "cinemill_loudness:CAPABILITY"

This module is imported in every process, also in those that only plan, and brings neither FFmpeg
nor FastAPI with it. What handlers work with is in :mod:`cinemill.capability.handlers`. Both are
public: what they export changes on purpose or not at all.
"""

from cinemill.core.job import StepSpec
from cinemill.core.parameters import NoParameters, Parameters
from cinemill.errors import InputRejected
from cinemill.jobs.catalog import GIB, HOUR_LIMITS, SHORT_LIMITS, JobKind, Queue, Rate, StepKind
from cinemill.steps.capability import PROTOCOL_VERSION, Capability, RouteResources
from cinemill.steps.source.plan import (
    IMPORT_SOURCE,
    PROBE_SOURCE,
    SourceParameters,
    plan_source,
)

__all__ = [
    "GIB",
    "HOUR_LIMITS",
    "IMPORT_SOURCE",
    "PROBE_SOURCE",
    "PROTOCOL_VERSION",
    "SHORT_LIMITS",
    "Capability",
    "InputRejected",
    "JobKind",
    "NoParameters",
    "Parameters",
    "Queue",
    "Rate",
    "RouteResources",
    "SourceParameters",
    "StepKind",
    "StepSpec",
    "plan_source",
]
