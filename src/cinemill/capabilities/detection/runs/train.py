"""Training of heads on real videos: from faces over blends and features to installed files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cinemill import __version__
from cinemill.capabilities.detection.datasets.catalog import LICENCE_SOURCE, LICENCES
from cinemill.capabilities.detection.datasets.records import VideoRecord
from cinemill.capabilities.detection.detector import DEFAULT_ENSEMBLE, find_member
from cinemill.capabilities.detection.ensemble.ensemble_files import read_ensemble, write_ensemble
from cinemill.capabilities.detection.ensemble.fusion import Ensemble, WeightSource, make_ensemble
from cinemill.capabilities.detection.ensemble.head import Head
from cinemill.capabilities.detection.ensemble.head_files import list_heads, read_head, write_head
from cinemill.capabilities.detection.ensemble.registry_files import check_name
from cinemill.capabilities.detection.ensemble.training_statement import (
    DataSet,
    Grade,
    TrainingStatement,
)
from cinemill.capabilities.detection.runs.face_search import (
    FoundFaces,
    SearchPlan,
    search_faces,
)
from cinemill.capabilities.detection.runs.face_store import FaceStore
from cinemill.capabilities.detection.runs.head_training import (
    TrainedHead,
    measure_controls,
    train_member,
)
from cinemill.capabilities.detection.runs.pair_rows import Backbone, compute_rows, order_faces
from cinemill.capabilities.detection.runs.video_lists import (
    TrainingList,
    describe_known,
    find_licence,
    write_training_list,
)
from cinemill.capabilities.detection.runs.workbench import (
    TRAINING_FOLDER,
    Workbench,
    ensure_models,
)
from cinemill.capabilities.detection.training.feature_store import FeatureStore
from cinemill.capabilities.detection.training.head_fit import fit_fusion_weights
from cinemill.capabilities.detection.training.pair_features import PairPlan
from cinemill.capabilities.detection.training.starter_bar import LEAST_IDENTITIES
from cinemill.errors import Conflict, InputRejected, ToolMissing
from cinemill.inference.faces.detector import CARD as FACE_DETECTOR
from cinemill.inference.faces.mesh import CARD as FACE_MESH
from cinemill.inference.models.catalog import get_card
from cinemill.inference.statistics.logistic import TrainingImpossible

DEFAULT_FRAMES = 16
DEFAULT_TAKES = 2
DEFAULT_BACKBONE = "efficientnet-lite0"
METHOD = "self-blended images of real faces; logistic regression on features of a frozen model"
_PEOPLE = 3


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What a person asked for."""

    name: str
    records: Sequence[VideoRecord]
    members: tuple[str, ...] = (DEFAULT_BACKBONE,)
    licence: str = ""
    """Of the videos in folders; data sets state theirs."""
    seed: int = 0
    frames: int = DEFAULT_FRAMES
    """Of each video."""
    takes: int = DEFAULT_TAKES
    """Blends of each face."""
    removed_directions: int = 0
    command: str = ""
    resumes: bool = False
    restarts: bool = False
    is_for_use: bool = False
    """Whether analyses use the heads even if they use others now."""


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """What came of it."""

    ensemble: Ensemble
    identities: int
    videos: int
    pairs: int
    skipped: Mapping[str, int]
    look_alikes: int
    """Names that are not counted as people, since their videos look like those of others."""
    is_default: bool
    """Whether analyses use it now."""


def train(bench: Workbench, request: TrainingRequest) -> TrainingOutcome:
    """Train a head for each model, and install them as an ensemble of this name.

    What was done before a stop is on disk, and ``resumes`` goes on from there. Raises Conflict
    (``head_exists``, ``training_unfinished``); TrainingImpossible; InputRejected (``head_name``);
    ToolMissing, DependencyUnavailable, DiskFull.
    """
    folder = _choose_folder(bench, request)
    bench.progress.plan({"faces": 5, "features": 5, "fit": 0.5, "controls": 1})
    bench.progress.enter("faces", "Looking for models")
    backbones = [_find_backbone(bench, member) for member in request.members]
    cards = [get_card(FACE_DETECTOR), get_card(FACE_MESH), *(one.card for one in backbones)]
    ensure_models(bench, cards)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    reals = [record for record in request.records if not record.is_fake]
    sizes = tuple(sorted({backbone.size for backbone in backbones}))
    plan = SearchPlan(request.frames, sizes)
    found = search_faces(bench, reals, plan, FaceStore(folder / "faces"))
    _require_people(found)
    trained = _train_members(bench, request, backbones, found, FeatureStore(folder / "features"))
    heads = _describe_heads(request, found, trained)
    ensemble = _install(bench, request, heads, trained)
    known = [
        describe_known(record, found.content_hashes[record.key], found.lists[record.key].hashes)
        for record in reals
        if record.key in found.lists
    ]
    digests = tuple(head.digest for head in heads.values())
    write_training_list(
        bench.home, request.name, TrainingList(digests=digests, videos=tuple(known))
    )
    is_default = use_by_default(bench, ensemble, replaces=request.is_for_use)
    shutil.rmtree(folder, ignore_errors=True)
    bench.progress.finish("Trained")
    return TrainingOutcome(
        ensemble=ensemble,
        identities=len({face.identity for face in found.references}),
        videos=len(found.lists),
        pairs=len(found.references) * request.takes,
        skipped=found.skipped,
        look_alikes=len(found.identities) - len({*found.identities.values()}),
        is_default=is_default,
    )


def _choose_folder(bench: Workbench, request: TrainingRequest) -> Path:
    """Return the folder for what is unfinished. Everything that can be refused is refused here."""
    check_name(request.name)
    if request.name == DEFAULT_ENSEMBLE:
        raise InputRejected(
            f"{DEFAULT_ENSEMBLE!r} names the detector that analyses use.",
            code="head_name",
            hint="Choose another name; add --use to have analyses use the new head.",
        )
    folder = bench.home / TRAINING_FOLDER / "unfinished" / request.name
    names = name_heads(request.name, request.members)
    taken = {*list_heads(bench.heads)} & {*names.values()}
    is_taken = bool(taken) or (bench.ensembles / f"{request.name}.json").exists()
    # A run that was killed while it installed its heads goes on as well.
    if is_taken and not (request.resumes and folder.exists()):
        raise Conflict(
            f"There is a head named {request.name} already.",
            code="head_exists",
            hint="Choose another name, or delete the old head with 'cinemill detect heads remove'.",
        )
    if request.restarts:
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists() and not request.resumes:
        raise Conflict(
            f"A training of {request.name} was not finished.",
            code="training_unfinished",
            hint="Add --resume to go on with it, or --restart to begin again.",
        )
    return folder


def _find_backbone(bench: Workbench, name: str) -> Backbone:
    member, card = find_member(name, bench.detector_options)
    if card.image is None or not card.outputs or card.score is not None:
        raise InputRejected(
            f"{name} is no model whose features a head can be trained on.",
            code="backbone_unsuitable",
            hint="Choose a model for image features, as 'cinemill models list' shows them.",
        )
    return Backbone(member, card)


def _require_people(found: FoundFaces) -> None:
    people = {face.identity for face in found.references}
    if len(people) < _PEOPLE:
        reasons = ", ".join(f"{count} {reason}" for reason, count in found.skipped.items())
        raise TrainingImpossible(
            f"Usable faces of {len(people)} people were found, and {_PEOPLE} are the least"
            f"{f' (videos without one: {reasons})' if reasons else ''}."
        )


def _train_members(
    bench: Workbench,
    request: TrainingRequest,
    backbones: Sequence[Backbone],
    found: FoundFaces,
    store: FeatureStore,
) -> dict[str, TrainedHead]:
    faces = order_faces(found, request.seed)
    plan = PairPlan(request.seed, request.takes)
    bench.progress.enter("features", "Blending faces")
    count = len(backbones)
    rows = {
        one.member: compute_rows(
            bench,
            one,
            found,
            faces,
            plan,
            store,
            what=f"Blending faces for {one.card.name}",
            part=(number, count),
        )
        for number, one in enumerate(backbones)
    }
    bench.progress.enter("fit", "Fitting")
    trained = {
        one.member: train_member(
            rows[one.member], one.space, request.seed, request.removed_directions
        )
        for one in backbones
    }
    bench.progress.enter("controls", "Measuring controls")
    return {
        one.member: replace(
            trained[one.member],
            controls=measure_controls(
                bench,
                one,
                trained[one.member],
                found,
                faces,
                request.seed,
                store,
                part=(number, count),
            ),
        )
        for number, one in enumerate(backbones)
    }


def name_heads(name: str, members: Sequence[str]) -> dict[str, str]:
    """Return the name of each member's head: the ensemble's, if there is only one."""
    if len(members) == 1:
        return {members[0]: name}
    return {member: check_name(f"{name}-{member}") for member in members}


def _describe_heads(
    request: TrainingRequest, found: FoundFaces, trained: Mapping[str, TrainedHead]
) -> dict[str, Head]:
    datasets = _describe_data(request, found)
    people = sum(data.identities for data in datasets)
    names = name_heads(request.name, list(trained))
    return {
        member: Head(
            name=names[member],
            grade=Grade.STARTER if people < LEAST_IDENTITIES else Grade.TRAINED,
            space=one.space,
            weights=one.weights,
            bias=one.bias,
            temperature=one.temperature,
            training=TrainingStatement(
                method=METHOD,
                command=request.command[:2000],
                version=__version__,
                seed=request.seed,
                datasets=datasets,
                metrics={
                    "identities": float(people),
                    "videos": float(len(found.lists)),
                    "pairs": float(len(found.references) * request.takes),
                    **one.metrics,
                    **{f"control_{name}": auc for name, auc in one.controls.items()},
                },
            ),
            projection=one.projection,
            distance=one.distance,
        )
        for member, one in trained.items()
    }


def _describe_data(request: TrainingRequest, found: FoundFaces) -> tuple[DataSet, ...]:
    used = [record for record in request.records if record.key in found.lists]
    return tuple(
        DataSet(
            name=name,
            licence=find_licence(name, request.licence)[:200],
            licence_source=_name_licence_source(name, request.licence),
            identities=len(
                {found.identities[one.identity] for one in used if one.key.dataset == name}
            ),
            videos=sum(one.key.dataset == name for one in used),
        )
        for name in sorted({record.key.dataset for record in used})
    )


def _name_licence_source(dataset: str, given: str) -> str:
    if given:
        return "as the person who trained it says"
    return LICENCE_SOURCE if LICENCES.get(dataset) else ""


def _install(
    bench: Workbench,
    request: TrainingRequest,
    heads: Mapping[str, Head],
    trained: Mapping[str, TrainedHead],
) -> Ensemble:
    weights, source = dict.fromkeys(heads, 1.0), WeightSource.DEFAULT
    if len(heads) > 1:
        logits = np.stack([trained[member].held_out_logits for member in heads], axis=1)
        labels = next(iter(trained.values())).is_fake
        weights = dict(zip(heads, fit_fusion_weights(logits, labels), strict=True))
        source = WeightSource.TRAINING
    for head in heads.values():
        _write_head(bench, head)
    ensemble = make_ensemble(heads, weights, source)
    if len(heads) > 1:
        write_ensemble(bench.ensembles, request.name, ensemble)
    return ensemble


def _write_head(bench: Workbench, head: Head) -> None:
    try:
        write_head(bench.heads, head)
    except Conflict:
        if read_head(bench.heads, head.name).digest != head.digest:
            raise


def use_by_default(bench: Workbench, ensemble: Ensemble, *, replaces: bool) -> bool:
    """Have analyses use an ensemble if they have none, or if it replaces theirs.

    One that is there and cannot be read, or of which a head is missing, is somebody's choice, and
    stays. Returns whether they use the given one now.
    """
    if not (replaces or _is_free_for(bench, ensemble)):
        return False
    write_ensemble(bench.ensembles, DEFAULT_ENSEMBLE, ensemble)
    return True


def _is_free_for(bench: Workbench, ensemble: Ensemble) -> bool:
    """Return whether analyses have no head at all, or use exactly these already."""
    try:
        current = read_ensemble(bench.ensembles, bench.heads, DEFAULT_ENSEMBLE)
    except ToolMissing as unreadable:
        return unreadable.code == "head_missing"
    return not current.heads or current.subject == ensemble.subject
