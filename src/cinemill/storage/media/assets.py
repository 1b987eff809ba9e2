"""Rows of assets and of the artifacts made of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from psycopg.errors import ForeignKeyViolation
from sqlalchemy import (
    Connection,
    RowMapping,
    delete,
    func,
    literal_column,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from cinemill.core.media import CACHED_KINDS, Artifact, ArtifactKind, MediaInfo
from cinemill.core.page_position import PagePosition
from cinemill.errors import NotFound
from cinemill.storage import tables
from cinemill.storage.clock import LAG_SECONDS
from cinemill.storage.database import Database


@dataclass(frozen=True, slots=True)
class AssetRecord:
    """A catalogued video. ``media`` is None until it has been probed."""

    id: str
    owner: str
    sha256: str
    size_bytes: int
    filename: str
    media: MediaInfo | None
    created_at: datetime
    collection: str = ""
    """Of the owner's; searches can be limited to some."""
    other_names: tuple[str, ...] = ()
    """Under which the same bytes came in before, the latest first."""
    deleted_in_seconds: float | None = None
    """Until when its deletion can be undone, 0 where it is under way; None where it stays."""


@dataclass(frozen=True, slots=True)
class ArtifactRecord:
    asset_id: str
    variant: str
    step_key: str
    artifact: Artifact
    created_at: datetime


MOST_OTHER_NAMES = 20
_FORMER_NAMES = f"""CASE WHEN asset.filename = excluded.filename THEN asset.other_names
    ELSE jsonb_path_query_array(jsonb_build_array(asset.filename) ||
        (asset.other_names - excluded.filename), '$[0 to {MOST_OTHER_NAMES - 1}]') END"""
_ASSET = (
    *(column for column in tables.asset.c if column.name != "deletion_ends"),
    literal_column(
        "CASE WHEN asset.deletion_ends IS NOT NULL THEN"
        f" greatest(asset.deletion_ends - engine_seconds() - {LAG_SECONDS}, 0) END"
    ).label("deleted_in_seconds"),
)


def register_asset(
    connection: Connection,
    *,
    owner: str,
    sha256: str,
    size_bytes: int,
    filename: str,
    asset_id: str | None = None,
) -> tuple[AssetRecord, bool]:
    """Return the owner's asset of these bytes, and whether it is new.

    It takes the filename, by which its sender looks for it, and keeps its former ones. If it was
    about to be deleted, it stays, even if its time has come: whoever sends it has a use for it.

    ``asset_id`` is for a new one; where the bytes are known already, their asset keeps its own.
    """
    values = {"owner": owner, "sha256": sha256, "size_bytes": size_bytes, "filename": filename}
    statement = (
        insert(tables.asset)
        .values(id=asset_id or str(uuid4()), **values)
        # Also where nothing changes, the update takes the row's lock: a transaction that deletes
        # the asset waits, and sees the job that is about to be written.
        .on_conflict_do_update(
            constraint="asset_owner_sha256_key",
            set_={
                "filename": filename,
                "other_names": literal_column(_FORMER_NAMES),
                "deletion_ends": None,
            },
        )
        .returning(*_ASSET, literal_column("xmax = 0").label("is_new"))
    )
    row = dict(connection.execute(statement).mappings().one())
    is_new = bool(row.pop("is_new"))
    return _asset(row), is_new


def lock_asset(connection: Connection, asset_id: str) -> bool:
    """Lock the asset's row until the transaction ends; whether there is such an asset."""
    query = select(tables.asset.c.id).where(tables.asset.c.id == asset_id).with_for_update()
    return connection.execute(query).first() is not None


def get_asset(database: Database, asset_id: str) -> AssetRecord:
    """Return an asset. Raises NotFound."""
    with database.once() as connection:
        query = select(*_ASSET).where(tables.asset.c.id == asset_id)
        row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found")
    return _asset(row)


def find_lasting(database: Database, asset_ids: Collection[str], *, owner: str) -> set[str]:
    """Return those of the ids that are of an asset of this owner which is not being deleted."""
    columns = tables.asset.c
    query = select(columns.id).where(
        columns.id.in_(asset_ids), columns.owner == owner, columns.deletion_ends.is_(None)
    )
    with database.begin() as connection:
        return set(connection.execute(query).scalars())


def find_asset(database: Database, *, owner: str, sha256: str) -> AssetRecord | None:
    """Return the owner's asset of these bytes, if there is one."""
    columns = tables.asset.c
    query = select(*_ASSET).where(columns.owner == owner, columns.sha256 == sha256)
    with database.once() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else _asset(row)


def find_owned(connection: Connection, asset_id: str, sha256: str) -> str | None:
    """Return this asset if it exists, else any other of the same bytes.

    Its row stays locked, so that what is recorded about it now is not rejected.
    """
    columns = tables.asset.c
    query = (
        select(columns.id)
        .where(columns.sha256 == sha256)
        .order_by((columns.id == asset_id).desc())
        .limit(1)
        .with_for_update(read=True, key_share=True)
    )
    return connection.execute(query).scalar_one_or_none()


def list_assets(
    database: Database,
    *,
    owner: str | None = None,
    being_deleted: bool = False,
    after: PagePosition | None = None,
    limit: int = 50,
) -> list[AssetRecord]:
    """Return assets, newest first, ``after`` a position: those to stay, or ``being_deleted``."""
    columns = tables.asset.c
    is_marked = columns.deletion_ends.is_not(None)
    query = select(*_ASSET).order_by(columns.created_at.desc(), columns.id.desc()).limit(limit)
    query = query.where(is_marked if being_deleted else ~is_marked)
    if after is not None:
        query = query.where(tuple_(columns.created_at, columns.id) < (after.at, after.id))
    if owner is not None:
        query = query.where(tables.asset.c.owner == owner)
    with database.begin() as connection:
        return [_asset(row) for row in connection.execute(query).mappings()]


def delete_asset(connection: Connection, asset_id: str) -> bool:
    """Forget an asset and its artifacts; the collector removes files that nothing points at."""
    statement = delete(tables.asset).where(tables.asset.c.id == asset_id)
    return connection.execute(statement).rowcount == 1


def set_collection(connection: Connection, asset_id: str, collection: str) -> None:
    """Put an asset, and what searches find of it, into a collection. Raises NotFound."""
    statement = (
        update(tables.asset).where(tables.asset.c.id == asset_id).values(collection=collection)
    )
    if connection.execute(statement).rowcount == 0:
        raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found")


def record_media(connection: Connection, asset_id: str, media: MediaInfo) -> None:
    connection.execute(
        update(tables.asset).where(tables.asset.c.id == asset_id).values(media=media.to_json())
    )


def save_artifacts(
    connection: Connection,
    asset_id: str,
    step_key: str,
    artifacts: Iterable[Artifact],
    *,
    variant: str = "",
) -> None:
    """Point the asset at these files, in place of earlier ones of the same kind and variant.

    They count as new. Raises NotFound (``asset_not_found``) where the asset is gone.
    """
    # In one order for everybody: two jobs on one video would else wait for each other's rows.
    for artifact in sorted(artifacts, key=lambda artifact: artifact.kind):
        values = {
            **_artifact_values(artifact),
            "step_key": step_key,
            "created_at": func.clock_timestamp(),
        }
        key = {"asset_id": asset_id, "kind": artifact.kind.value, "variant": variant}
        statement = (
            insert(tables.artifact)
            .values(id=str(uuid4()), **key, **values)
            .on_conflict_do_update(constraint="artifact_asset_kind_variant_key", set_=values)
        )
        try:
            connection.execute(statement)
        except IntegrityError as error:
            if not isinstance(error.orig, ForeignKeyViolation):
                raise
            raise NotFound(f"There is no asset {asset_id}.", code="asset_not_found") from error


def replace_artifacts(
    connection: Connection,
    asset_id: str,
    step_key: str,
    kind: ArtifactKind,
    artifacts: Mapping[str, Artifact],
) -> None:
    """Make these, by variant, the only artifacts of a kind that an asset has.

    Those that stay count as new. Raises ValueError where one is of another kind.
    """
    if any(one.kind is not kind for one in artifacts.values()):
        raise ValueError(f"all artifacts must be of the kind {kind.value}")
    columns = tables.artifact.c
    connection.execute(
        delete(tables.artifact)
        .where(columns.asset_id == asset_id, columns.kind == kind.value)
        .where(columns.variant.not_in([*artifacts]))
    )
    for variant in sorted(artifacts):
        save_artifacts(connection, asset_id, step_key, [artifacts[variant]], variant=variant)


def find_step_artifacts(database: Database, step_key: str) -> dict[str, Artifact]:
    """Return earlier outputs of a step of this key, for any asset, by kind.

    Empty if it never ran.
    """
    query = select(tables.artifact).where(tables.artifact.c.step_key == step_key)
    with database.begin() as connection:
        rows = connection.execute(query).mappings().all()
    return {row["kind"]: _artifact(row) for row in rows}


def take_cached(database: Database, step_key: str) -> Artifact | None:
    """Return what was only kept to save this work, if it exists; it counts as new from now on."""
    statement = (
        update(tables.artifact)
        .where(tables.artifact.c.step_key == step_key)
        .where(tables.artifact.c.kind.in_([kind.value for kind in CACHED_KINDS]))
        .values(created_at=func.clock_timestamp())
        .returning(*tables.artifact.c)
    )
    with database.begin() as connection:
        row = connection.execute(statement).mappings().first()
    return None if row is None else _artifact(row)


def list_artifacts(database: Database, asset_id: str) -> list[ArtifactRecord]:
    """All but those that are only kept to save work."""
    query = (
        select(tables.artifact)
        .where(tables.artifact.c.asset_id == asset_id)
        .where(tables.artifact.c.kind.not_in([kind.value for kind in CACHED_KINDS]))
        .order_by(tables.artifact.c.kind, tables.artifact.c.variant)
    )
    with database.begin() as connection:
        return [read_record(row) for row in connection.execute(query).mappings()]


def list_artifacts_of(database: Database, asset_id: str, kind: ArtifactKind) -> dict[str, Artifact]:
    """Return an asset's artifacts of one kind by their variants."""
    columns = tables.artifact.c
    query = select(tables.artifact).where(columns.asset_id == asset_id, columns.kind == kind.value)
    with database.begin() as connection:
        rows = connection.execute(query).mappings().all()
    return {row["variant"]: _artifact(row) for row in rows}


def get_artifact(
    database: Database, asset_id: str, kind: ArtifactKind, *, variant: str | None = None
) -> ArtifactRecord:
    """Return the artifact, the newest where ``variant`` is None. Raises NotFound."""
    columns = tables.artifact.c
    query = select(tables.artifact).where(columns.asset_id == asset_id, columns.kind == kind.value)
    if variant is not None:
        query = query.where(columns.variant == variant)
    with database.begin() as connection:
        row = (
            connection.execute(query.order_by(columns.created_at.desc()).limit(1))
            .mappings()
            .first()
        )
    if row is None:
        raise NotFound(f"Asset {asset_id} has no {kind.value}.", code="artifact_not_found")
    return read_record(row)


def forget_steps(connection: Connection, step_keys: Sequence[str]) -> None:
    """Forget the intermediate files of these steps, which no step needs any more."""
    connection.execute(
        delete(tables.artifact)
        .where(tables.artifact.c.step_key.in_(step_keys))
        .where(tables.artifact.c.kind.in_([kind.value for kind in CACHED_KINDS]))
    )


def forget_cached(connection: Connection, *, older_than_days: float, limit: int = 1000) -> int:
    """Forget what was only kept to save work, and so long ago; return how many: at most ``limit``.

    The files go with the next collection of garbage.
    """
    return connection.execute(
        text(
            """
            DELETE FROM artifact WHERE id = ANY (ARRAY(
                SELECT id FROM artifact WHERE kind = ANY(:kinds)
                  AND created_at < calendar_time() - make_interval(secs => :age)
                LIMIT :limit FOR UPDATE SKIP LOCKED))
            """
        ),
        {
            "kinds": [kind.value for kind in CACHED_KINDS],
            "age": older_than_days * 86400,
            "limit": limit,
        },
    ).rowcount


def _asset(row: RowMapping | dict[str, Any]) -> AssetRecord:
    media = MediaInfo.from_json(row["media"]) if row["media"] is not None else None
    return AssetRecord(**{**row, "media": media, "other_names": tuple(row["other_names"])})


def read_record(row: RowMapping) -> ArtifactRecord:
    return ArtifactRecord(
        asset_id=row["asset_id"],
        variant=row["variant"],
        step_key=row["step_key"],
        artifact=_artifact(row),
        created_at=row["created_at"],
    )


def _artifact(row: RowMapping) -> Artifact:
    return Artifact(
        kind=ArtifactKind(row["kind"]),
        sha256=row["sha256"],
        size_bytes=row["size_bytes"],
        filename=row["filename"],
        media_type=row["media_type"],
        facts=row["facts"],
    )


def _artifact_values(artifact: Artifact) -> Mapping[str, Any]:
    return {
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "filename": artifact.filename,
        "media_type": artifact.media_type,
        "facts": artifact.facts,
    }
