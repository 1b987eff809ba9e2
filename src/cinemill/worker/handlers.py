"""The handlers of all kinds of step: the one place where capabilities meet the engine."""

from __future__ import annotations

from collections.abc import Mapping

from cinemill.capability.checks import find_handler_flaw
from cinemill.capability.composition import Composition, Installed
from cinemill.catalog import COMPOSITION
from cinemill.config import Settings
from cinemill.errors import CapabilityUnusable, CinemillError
from cinemill.inference.language_models.address import LanguageModelAddress
from cinemill.inference.models.cards import MODELS_FOLDER
from cinemill.jobs.step import Handler, StepContext, StepOutcome
from cinemill.machine import read_capacity
from cinemill.media.ffmpeg.binary import find_ffmpeg
from cinemill.media.ffmpeg.limits import Limits, choose_command_bytes
from cinemill.media.ffmpeg.sandbox import detect_sandbox
from cinemill.steps.discovery import LeftOut
from cinemill.steps.package_code import contained, describe
from cinemill.steps.resources import DetectionSettings, StepResources
from cinemill.storage.cache.caches import open_caches
from cinemill.storage.projection.server import open_server
from cinemill.telemetry import get_logger
from cinemill.worker.context import WorkerContext
from cinemill.worker.services import read_services

log = get_logger(__name__)


def build_handlers(
    context: WorkerContext, composition: Composition = COMPOSITION
) -> Mapping[str, Handler]:
    """Return the handlers of all capabilities, by kind of step.

    If a package's handlers cannot be built, only its own steps fail, with the reason.
    Raises ToolMissing.
    """
    resources = build_resources(context)
    handlers: dict[str, Handler] = {}
    for capability in composition.built_in:
        handlers |= capability.build_handlers(resources)
    for one in composition.left_out:
        log.warning("a package's capability is left out", why=one.reason, hint=one.hint)
    for installed in composition.installed:
        handlers |= _build_installed(installed, resources)
    return handlers


def import_handlers(context: WorkerContext, composition: Composition = COMPOSITION) -> None:
    """Import the modules that the product's own handlers need. Raises ToolMissing.

    A package's factory is called in each process only, since it may open connections or files that
    must not be shared.
    """
    resources = build_resources(context)
    for capability in composition.built_in:
        capability.build_handlers(resources)


def check_handlers(context: WorkerContext, composition: Composition) -> list[LeftOut]:
    """Build the handlers of installed capabilities; return those that are left out, and why.

    Raises ToolMissing.
    """
    resources = build_resources(context)
    built = [build_installed(one, resources) for one in composition.installed]
    return [one for one in built if isinstance(one, LeftOut)]


def build_installed(
    installed: Installed, resources: StepResources
) -> Mapping[str, Handler] | LeftOut:
    """Return the handlers of a package's capability, or why there are none. Raises nothing."""
    try:
        # Without a time limit: a model may be loaded here.
        with contained(seconds=None):
            handlers = installed.capability.build_handlers(resources)
            flaw = find_handler_flaw(installed.capability, handlers)
            if flaw is None:
                return dict(handlers)
    except CinemillError as error:
        return LeftOut.because(
            installed.origin, f"cannot work here: {error.message}", hint=error.hint
        )
    except Exception as error:  # noqa: BLE001 - it is third-party code
        return LeftOut.because(
            installed.origin, f"cannot work here: build_handlers ends in {describe(error)}."
        )
    return LeftOut.because(installed.origin, flaw)


def _build_installed(installed: Installed, resources: StepResources) -> Mapping[str, Handler]:
    handlers = build_installed(installed, resources)
    if not isinstance(handlers, LeftOut):
        return handlers
    log.warning("a package's handlers are left out", why=handlers.reason, hint=handlers.hint)
    fail = _make_failing(handlers)
    return dict.fromkeys((step.name for step in installed.capability.steps), fail)


def _make_failing(left_out: LeftOut) -> Handler:
    """Return a handler that fails with the reason why the package's own is not available."""

    def fail(_context: StepContext) -> StepOutcome:
        raise CapabilityUnusable(left_out.reason, hint=left_out.hint)

    return fail


def build_resources(context: WorkerContext) -> StepResources:
    settings, capacity = context.settings, read_capacity()
    limits = Limits(
        memory_bytes=choose_command_bytes(capacity.memory_bytes, context.slots),
        max_pixels=settings.max_pixels,
        max_duration_seconds=settings.max_duration_seconds,
        max_streams=settings.max_streams,
        max_output_bytes=settings.max_output_bytes,
        stall_seconds=settings.stall_seconds,
    )
    return StepResources(
        database=context.database,
        files=context.files,
        ffmpeg_binary=find_ffmpeg(settings.ffmpeg_path),
        sandbox=detect_sandbox(settings.sandbox),
        limits=limits,
        # What one job has made may be given to the next, as a chain does.
        input_roots=(*settings.input_roots, settings.render_dir, settings.preview_dir),
        min_free_bytes=settings.min_free_bytes,
        render_dir=settings.render_dir,
        preview_dir=settings.preview_dir,
        models_dir=settings.home / MODELS_FOLDER,
        home=settings.home,
        work_folder=context.work_folder,
        service=context.service,
        events=context.events,
        caches=open_caches(
            context.redis_url,
            embeddings_ttl_seconds=settings.cache_ttl_embeddings,
            results_ttl_seconds=settings.cache_ttl_results,
        ),
        detection=_read_detection(settings),
        retention_days=settings.retention_days,
        stuck_hours=settings.stuck_hours,
        node=context.node,
        hardware=context.hardware.encoders,
        slots=context.slots,
        c2pa_trust_anchors=settings.c2pa_trust_anchors,
        picture_model=settings.picture_model,
        threads=max(1, capacity.cpus // context.slots),
        fetch_models=settings.fetch_models,
        services=read_services(settings),
        text_model=settings.text_model,
        language_model=_read_language_model(settings),
        names_file=settings.names_file,
        qdrant=open_server(settings.qdrant_url, settings.qdrant_key),
        entity_model=_read_language_model(settings) if settings.language_model_entities else None,
    )


def _read_language_model(settings: Settings) -> LanguageModelAddress | None:
    if settings.language_model is None:
        return None
    key = settings.language_model_key
    return LanguageModelAddress(
        settings.language_model,
        settings.language_model_api,
        settings.language_model_url or "",
        "" if key is None else key.get_secret_value(),
    )


def _read_detection(settings: Settings) -> DetectionSettings:
    return DetectionSettings(
        clip_model=settings.clip_model_name,
        resnet50_path=settings.resnet50_model_path,
        weights=settings.ensemble_weights,
    )
