"""Checks between settings: contradictions, and valid but unwise combinations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from cinemill.config.model import Settings

Problem = tuple[str, str]
"""The public name of a setting, and a sentence."""

_CHECKS: list[tuple[tuple[str, ...], Callable[[Settings], Problem | None]]] = []
Check = Callable[[Settings], Problem | None]


def _requires(*fields: str) -> Callable[[Check], Check]:
    """Register a check with the fields that must be valid for it to make sense."""

    def register(check: Check) -> Check:
        _CHECKS.append((fields, check))
        return check

    return register


def find_conflicts(settings: Settings, *, unusable: frozenset[str] = frozenset()) -> list[Problem]:
    """Return contradictions between settings; skip checks that need a field of ``unusable``."""
    found = (check(settings) for fields, check in _CHECKS if unusable.isdisjoint(fields))
    return [problem for problem in found if problem is not None]


def find_warnings(settings: Settings, *, given: frozenset[str]) -> Iterator[str]:
    """Yield sentences on valid but unwise settings. ``given`` are the fields set explicitly."""
    if not settings.is_local_only:
        yield (
            f"CINEMILL_HOST {settings.host} is reachable from other machines over plain HTTP:"
            " put a TLS proxy in front, or the token is sent unencrypted."
        )
    if {"redis_url", "redis_host"} <= given:
        yield "REDIS_HOST is ignored, because REDIS_URL is set."
    if {"celery_worker_concurrency", "celery_worker_autoscale"} <= given:
        yield "CELERY_WORKER_CONCURRENCY is ignored, because CELERY_WORKER_AUTOSCALE is set."
    if settings.stall_seconds >= settings.celery_task_soft_time_limit:
        yield (
            "CINEMILL_STALL_SECONDS is not below CELERY_TASK_SOFT_TIME_LIMIT: hangs are not"
            " detected early."
        )


@_requires("auth", "host")
def _check_auth_off(settings: Settings) -> Problem | None:
    if settings.auth == "token" or settings.is_local_only:
        return None
    return (
        "CINEMILL_AUTH",
        "'off' is allowed on a loopback host only, but CINEMILL_HOST is "
        f"{settings.host}: anyone could"
        " upload, read and delete videos; use 'token', or 127.0.0.1",
    )


@_requires("celery_task_time_limit", "celery_task_soft_time_limit")
def _check_limits(settings: Settings) -> Problem | None:
    soft, hard = settings.celery_task_soft_time_limit, settings.celery_task_time_limit
    if soft < hard:
        return None
    return (
        "CELERY_TASK_SOFT_TIME_LIMIT",
        f"must be below CELERY_TASK_TIME_LIMIT ({hard} s), and is {soft} s",
    )


@_requires("celery_worker_autoscale", "celery_worker_pool")
def _check_autoscale(settings: Settings) -> Problem | None:
    if settings.celery_worker_autoscale is None or settings.celery_worker_pool == "prefork":
        return None
    return (
        "CELERY_WORKER_AUTOSCALE",
        f"needs CELERY_WORKER_POOL 'prefork': '{settings.celery_worker_pool}' has one process",
    )


@_requires("lease_seconds", "heartbeat_seconds")
def _check_heartbeat(settings: Settings) -> Problem | None:
    longest = settings.lease_seconds / 3
    if settings.heartbeat_seconds <= longest * (1 + 1e-9):
        return None
    return (
        "CINEMILL_HEARTBEAT_SECONDS",
        f"must be at most a third of CINEMILL_LEASE_SECONDS ({longest:g} s), so that two lost"
        f" heartbeats cost no lease, and is {settings.heartbeat_seconds:g} s",
    )


@_requires("ensemble_weight_resnet50", "ensemble_weight_clip")
def _check_weights(settings: Settings) -> Problem | None:
    total = settings.ensemble_weight_resnet50 + settings.ensemble_weight_clip
    if math.isclose(total, 1, abs_tol=1e-6):
        return None
    return (
        "ENSEMBLE_WEIGHT_RESNET50",
        f"and ENSEMBLE_WEIGHT_CLIP must sum to 1, and sum to {total:g}",
    )
