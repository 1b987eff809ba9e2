"""Descriptions of a stored video by a vision model: range by range, side by side, then stored.

An answer is kept in the database from the moment that it is there, so that no range is asked about
twice, also not where another range fails and the analysis is submitted again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from cinemill.capabilities.analysis.providers.calls import (
    CallDesk,
    ProviderCall,
    Waiting,
    advance_call,
    collect_call,
    make_final,
)
from cinemill.capabilities.analysis.providers.opening import (
    NVIDIA,
    get_vision,
    make_vision_provider,
    open_desk,
)
from cinemill.capabilities.analysis.providers.parameters import (
    DescriptionParameters,
    RangeParameters,
)
from cinemill.capabilities.analysis.providers.protocol import (
    AnalysisRequest,
    AnalysisTicket,
    ClipFrames,
    Collected,
)
from cinemill.capabilities.analysis.providers.range_material import make_material
from cinemill.capabilities.analysis.providers.ranges import RANGE_MS, Range, plan_ranges
from cinemill.capabilities.analysis.providers.stored_findings import (
    count_known,
    is_known,
    store_sets,
)
from cinemill.capabilities.analysis.providers.vision_models import VERSION, VisionProvider
from cinemill.capabilities.analysis.shot_handlers import read_shots
from cinemill.core.documents import JsonObject
from cinemill.core.findings.finding import FindingKind, FindingModel
from cinemill.core.job import StepSpec
from cinemill.errors import InputRejected, Postponed
from cinemill.inference.providers.failures import ProviderReplyInvalid
from cinemill.inference.providers.jobs import FindingSet
from cinemill.inference.providers.nvidia.http import HttpCaller
from cinemill.jobs.results import ResultOf, write_result
from cinemill.jobs.step import StepContext, StepOutcome
from cinemill.steps.content_key import content_key
from cinemill.steps.costs.cost import Charge, Consumption, estimate_cost, reserve_cost
from cinemill.steps.ingestion import kinds
from cinemill.steps.ingestion.gaps import StepReport
from cinemill.steps.resources import StepResources, find_asset
from cinemill.steps.service_settings import VisionSettings
from cinemill.steps.source.results import PROBE
from cinemill.steps.stored_video import StoredVideo
from cinemill.storage.database import Connection
from cinemill.storage.findings.gaps import close_gap
from cinemill.storage.media.assets import AssetRecord
from cinemill.storage.providers import calls, costs

FOUND = (FindingKind.DESCRIPTION, FindingKind.TAG)
RANGES = ResultOf("describe-", StepReport)


def analyze_with_nvidia(resources: StepResources, context: StepContext) -> StepOutcome:
    """Divide the job's video into ranges and add a step for each, unless all that is known.

    Raises InputRejected (``provider_not_set_up``), CostCapReached.
    """
    asset = find_asset(resources, context)
    settings = get_vision(resources.services)
    if _is_known(resources, asset, settings):
        report = _report_known(resources, asset)
        return StepOutcome(report, lambda connection: close_gap(connection, asset.id, NVIDIA))
    media = context.result_of(PROBE).media
    duration_ms = round(media.duration_seconds_from_header * 1000)
    ranges = plan_ranges(read_shots(resources.database, asset.id), duration_ms)
    if not ranges:
        raise InputRejected("The video has no duration.", code="video_empty")
    asked = _count_unanswered(resources, asset, settings, ranges)
    charge_key = context.run.step_id
    _reserve(open_desk(resources, context, asset.id), charge_key, asked)
    report = write_result(StepReport(count=len(ranges)))
    return StepOutcome(report, steps=_plan_steps(ranges, charge_key, asked))


def _is_known(resources: StepResources, asset: AssetRecord, settings: VisionSettings) -> bool:
    return is_known(
        resources.database,
        asset.id,
        FOUND,
        provider=NVIDIA,
        version=VERSION,
        parameters=describe_question(settings),
    )


def _report_known(resources: StepResources, asset: AssetRecord) -> JsonObject:
    count = count_known(resources.database, asset.id, FOUND)
    return write_result(StepReport(reused=True, count=count))


def describe_question(settings: VisionSettings) -> JsonObject:
    """Return everything besides the video that changes what the model is asked."""
    return {"model": settings.model, "input": settings.input.value, "range_ms": RANGE_MS}


def describe_range(resources: StepResources, context: StepContext) -> StepOutcome:
    """Have a range of the video described, unless the answer is there, or all are stored by now.

    Raises Postponed while the model is at work, InputRejected, ProviderUnavailable,
    ProviderReplyInvalid, CostCapReached where a request has to be repeated.
    """
    asset = find_asset(resources, context)
    params = context.parameters(RangeParameters)
    extent = (params.start_ms, params.end_ms)
    settings = get_vision(resources.services)
    if _is_known(resources, asset, settings):
        return StepOutcome(write_result(StepReport(reused=True)))
    desk = open_desk(resources, context, asset.id)
    with _open_provider(settings) as provider:
        call = _make_call(provider, settings, asset, extent, charge_key=context.run.step_id)
        with resources.database.begin() as connection:
            record = calls.find_call(connection, call.key)
        if record is None or record.ticket is None:
            video = StoredVideo(resources, context, asset)
            material = make_material(video, context.result_of(PROBE).media, extent, settings.input)
            call = _make_call(
                provider, settings, asset, extent, charge_key=call.charge_key, material=material
            )
        context.report(0.5, "Waiting for the model's description")
        moved = advance_call(desk, call)
    if isinstance(moved, Waiting):
        raise Postponed("The model describes the video.", delay_seconds=moved.delay_seconds)
    return StepOutcome(write_result(StepReport(count=1)))


def merge_descriptions(resources: StepResources, context: StepContext) -> StepOutcome:
    """Store the descriptions of all ranges, or none where one is missing.

    Another job may have stored them meanwhile, and taken the answers with it: those stay.

    Raises InputRejected (``provider_model_changed``; ``provider_answer_missing``).
    """
    asset = find_asset(resources, context)
    reports = context.results_of(RANGES).values()
    params = context.parameters(DescriptionParameters)
    settings = get_vision(resources.services)
    desk = open_desk(resources, context, asset.id)
    if _is_known(resources, asset, settings):
        asked = max(0, params.asked - sum(one.reused for one in reports))
        return StepOutcome(
            _report_known(resources, asset), partial(_end, desk=desk, params=params, asked=asked)
        )
    missing = [one for one in reports if one.gap]
    if missing:  # noted as a gap by the step that failed
        return StepOutcome(write_result(StepReport(gap=missing[0].gap)))
    with _open_provider(settings) as provider:
        listed = [
            _make_call(provider, settings, asset, (start, end), charge_key=params.charge_key)
            for start, end in params.ranges
        ]
        found = [_collect(desk, call) for call in listed]
    sets = _merge(desk, listed, found)

    def write(connection: Connection) -> None:
        store_sets(connection, asset.id, sets, describe_question(settings))
        for call in listed:
            calls.delete_call(connection, call.key)
        _end(connection, desk, params, params.asked)

    count = sum(len(one.findings) for one in sets)
    return StepOutcome(write_result(StepReport(count=count)), write)


def _end(connection: Connection, desk: CallDesk, params: DescriptionParameters, asked: int) -> None:
    estimate = estimate_cost(_consume(asked), desk.prices)
    costs.settle_cost(
        connection, params.charge_key, micros=estimate.micros, requests=estimate.requests
    )
    close_gap(connection, desk.asset_id, NVIDIA)


def _plan_steps(ranges: Sequence[Range], charge_key: str, asked: int) -> list[StepSpec]:
    steps = [
        StepSpec(f"describe-{number:03d}", kinds.DESCRIBE_RANGE, {"start_ms": start, "end_ms": end})
        for number, (start, end) in enumerate(ranges)
    ]
    params = {
        "ranges": [list(extent) for extent in ranges],
        "charge_key": charge_key,
        "asked": asked,
    }
    after = tuple(step.name for step in steps)
    return [*steps, StepSpec("descriptions", kinds.MERGE_DESCRIPTIONS, params, after=after)]


def _reserve(desk: CallDesk, charge_key: str, asked: int) -> None:
    """Reserve all requests at once: no video is described by half for want of money."""
    today = datetime.now(UTC).date()
    estimate = estimate_cost(_consume(asked), desk.prices)
    reserve_cost(desk.ledger, Charge(charge_key, NVIDIA, desk.asset_id, today, estimate), desk.caps)


def _consume(requests: int) -> list[Consumption]:
    return [Consumption(f"{NVIDIA}.request", requests=requests)] if requests else []


def _count_unanswered(
    resources: StepResources, asset: AssetRecord, settings: VisionSettings, ranges: Sequence[Range]
) -> int:
    with resources.database.begin() as connection:
        records = [
            calls.find_call(connection, _name_call(settings, asset, extent)) for extent in ranges
        ]
    return sum(record is None or record.ticket is None for record in records)


@contextmanager
def _open_provider(settings: VisionSettings) -> Iterator[VisionProvider]:
    with HttpCaller() as caller:
        yield make_vision_provider(settings, caller)


def _make_call(
    provider: VisionProvider,
    settings: VisionSettings,
    asset: AssetRecord,
    extent: Range,
    *,
    charge_key: str,
    material: object = None,
) -> ProviderCall:
    """Return the call of a range; only its start needs the material."""
    key = _name_call(settings, asset, extent)
    given = ClipFrames(()) if material is None else material
    request = AnalysisRequest(key, *extent, given)  # type: ignore[arg-type]
    return ProviderCall(provider, request, charge_key, paid_starts=1)


def _name_call(settings: VisionSettings, asset: AssetRecord, extent: Range) -> str:
    return content_key(
        NVIDIA, VERSION, asset.id, asset.sha256, describe_question(settings), list(extent)
    )


def _collect(desk: CallDesk, call: ProviderCall) -> Collected:
    with desk.database.begin() as connection:
        record = calls.find_call(connection, call.key)
    if record is None or record.ticket is None:
        raise InputRejected(
            "The description of a range is gone.",
            code="provider_answer_missing",
            hint="Submit the analysis again; what is there is not asked for twice.",
        )
    return collect_call(desk, call, AnalysisTicket(call.provider.name, record.ticket))


def _merge(
    desk: CallDesk, listed: Sequence[ProviderCall], found: Sequence[Collected]
) -> list[FindingSet]:
    """Return one set for each kind. All must come from one model: what it saw is compared."""
    models = [one.sets[0].model for one in found]
    if len(set(models)) > 1:
        _forget_others(desk, listed, models)
        changed = ProviderReplyInvalid(
            "The server's model changed while the video was described.",
            code="provider_model_changed",
            hint="Submit the analysis again; only what the former model described is asked for.",
        )
        raise make_final(changed)
    return [
        FindingSet(
            kind,
            models[0],
            [
                finding
                for one in found
                for listed_set in one.sets
                if listed_set.kind is kind
                for finding in listed_set.findings
            ],
        )
        for kind in FOUND
    ]


def _forget_others(
    desk: CallDesk, listed: Sequence[ProviderCall], models: Sequence[FindingModel]
) -> None:
    """Delete what is not by the model of the last range: the one that serves now."""
    with desk.database.begin() as connection:
        for call, model in zip(listed, models, strict=True):
            if model != models[-1]:
                calls.delete_call(connection, call.key)
