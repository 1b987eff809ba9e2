"""Content credentials at ingest: read from the original bytes when a video comes in, and kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.credentials import make_signer, sign
from tests.films import make_film
from tests.integration.steps.conftest import make_run

from cinemill.capabilities.ingest.probe_handler import probe_source
from cinemill.core.media import Artifact, ArtifactKind
from cinemill.core.origin.provenance import ProvenanceReport, ProvenanceState
from cinemill.jobs.step import StepContext
from cinemill.media.provenance import read
from cinemill.steps import provenance
from cinemill.steps.resources import StepResources
from cinemill.storage.media import assets
from cinemill.storage.media.assets import AssetRecord


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    return sign(make_film(folder / "plain.mp4"), folder / "signed.mp4", make_signer())


def store(resources: StepResources, film: Path, *, owner: str = "ann") -> AssetRecord:
    stored = resources.files.copy_in(film)
    with resources.database.begin() as connection:
        asset, _ = assets.register_asset(
            connection,
            owner=owner,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            filename=film.name,
        )
    return asset


def run_probe(resources: StepResources, asset: AssetRecord, folder: Path) -> None:
    """Run the step and commit its outcome, as the runner does."""
    run = make_run("process_video", step_name="probe", step_kind="probe_source", asset_id=asset.id)
    folder.mkdir()
    outcome = probe_source(
        resources, StepContext(run, folder, lambda *_: None, lambda: None, memory_bytes=4 << 30)
    )
    with resources.database.begin() as connection:
        outcome.write(connection)


def find_artifact(resources: StepResources, asset: AssetRecord) -> Artifact | None:
    listed = assets.list_artifacts(resources.database, asset.id)
    kinds = {record.artifact.kind: record.artifact for record in listed}
    return kinds.get(ArtifactKind.PROVENANCE)


def read_artifact(resources: StepResources, artifact: Artifact | None) -> ProvenanceReport:
    assert artifact is not None
    with resources.files.open(artifact.sha256) as file:
        return ProvenanceReport.from_json(json.load(file))


def test_probing_keeps_the_credentials_of_the_original(
    resources: StepResources, signed: Path, tmp_path: Path
) -> None:
    asset = store(resources, signed)
    run_probe(resources, asset, tmp_path / "one")
    artifact = find_artifact(resources, asset)
    report = read_artifact(resources, artifact)
    assert report.state is ProvenanceState.UNTRUSTED_SIGNER
    assert artifact is not None
    assert artifact.filename == "signed-provenance.json"
    assert artifact.facts["state"] == "untrusted_signer"


def test_video_that_was_probed_by_an_earlier_version_gets_them_too(
    resources: StepResources, signed: Path, tmp_path: Path
) -> None:
    asset = store(resources, signed)
    run_probe(resources, asset, tmp_path / "one")
    with resources.database.begin() as connection:
        assets.delete_asset(connection, asset.id)
    asset = store(resources, signed)
    run_probe(resources, asset, tmp_path / "two")
    assert find_artifact(resources, asset) is not None


def test_second_job_and_second_owner_read_nothing_again(
    resources: StepResources, signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = store(resources, signed), store(resources, signed, owner="ben")
    run_probe(resources, first, tmp_path / "one")

    def read_again(*_: object, **__: object) -> ProvenanceReport:
        pytest.fail("the original was read again")

    monkeypatch.setattr(provenance, "read_provenance", read_again)
    run_probe(resources, first, tmp_path / "two")
    run_probe(resources, other, tmp_path / "three")
    assert find_artifact(resources, other) == find_artifact(resources, first)


def test_another_trust_list_reads_the_original_again(
    resources: StepResources, signed: Path, tmp_path: Path
) -> None:
    asset = store(resources, signed)
    run_probe(resources, asset, tmp_path / "one")
    anchors = tmp_path / "anchors.pem"
    anchors.write_text(make_signer().anchor)
    run_probe(replace(resources, c2pa_trust_anchors=anchors), asset, tmp_path / "two")
    report = read_artifact(resources, find_artifact(resources, asset))
    assert report.state is ProvenanceState.TRUSTED


def test_missing_reader_keeps_nothing_and_processing_goes_on(
    resources: StepResources, signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "find_spec", lambda _name: None)
    asset = store(resources, signed)
    run_probe(resources, asset, tmp_path / "one")
    assert find_artifact(resources, asset) is None
    assert assets.get_asset(resources.database, asset.id).media is not None


def test_trust_list_that_is_gone_does_not_stop_processing(
    resources: StepResources, signed: Path, tmp_path: Path
) -> None:
    asset = store(resources, signed)
    gone = replace(resources, c2pa_trust_anchors=tmp_path / "gone.pem")
    run_probe(gone, asset, tmp_path / "one")
    assert find_artifact(resources, asset) is None
    assert assets.get_asset(resources.database, asset.id).media is not None
