"""Assets of NVIDIA's functions: uploaded without the key, deleted afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.vision_answers import ASSET, COMPLETION, send

from cinemill.errors import TooLarge
from cinemill.inference.providers.failures import ProviderDenied, ProviderReplyInvalid
from cinemill.inference.providers.nvidia import assets
from cinemill.inference.providers.nvidia.assets import DESCRIPTION, delete_asset, upload_asset
from cinemill.inference.providers.nvidia.chat import ChatOptions
from cinemill.inference.providers.nvidia.http import HttpCaller
from cinemill.inference.providers.nvidia.requests import ask_vila

if TYPE_CHECKING:
    from tests.unit.conftest import Answer, LittleServer


@pytest.fixture
def caller() -> Iterator[HttpCaller]:
    with HttpCaller(read_seconds=5) as running:
        yield running


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "chunk.mp4"
    path.write_bytes(bytes(range(256)) * 4096)
    return path


def on_upload(server: LittleServer, *put: Answer) -> None:
    reply = {"assetId": ASSET, "uploadUrl": f"{server.url}/bucket/x?sig=1", "contentType": "video"}
    server.on("POST /v2/nvcf/assets", send(reply))
    server.on("PUT /bucket/x", *(put or (send(b""),)))
    server.on(f"DELETE /v2/nvcf/assets/{ASSET}", send(b"", 204))


def test_clip_is_uploaded_without_the_key(
    caller: HttpCaller, server: LittleServer, clip: Path
) -> None:
    on_upload(server)
    assert upload_asset(caller, clip, api_key="k", nvcf_url=server.url) == ASSET
    created, put = server.seen
    assert json.loads(created.body) == {"contentType": "video/mp4", "description": DESCRIPTION}
    assert created.headers["authorization"] == "Bearer k"
    assert put.body == clip.read_bytes()
    assert put.headers["x-amz-meta-nvcf-asset-description"] == DESCRIPTION
    assert put.headers["content-type"] == "video/mp4"
    assert "authorization" not in put.headers
    assert "transfer-encoding" not in put.headers


def test_asset_of_a_failed_upload_is_deleted(
    caller: HttpCaller, server: LittleServer, clip: Path
) -> None:
    on_upload(server, send(b"", 403))
    with pytest.raises(ProviderDenied):
        upload_asset(caller, clip, api_key="k", nvcf_url=server.url)
    assert server.seen[-1].method == "DELETE"


@pytest.mark.parametrize(
    "reply",
    [
        {"assetId": ASSET},
        {"assetId": "../../etc", "uploadUrl": "https://bucket"},
        {"assetId": ASSET, "uploadUrl": "file:///etc/passwd"},
    ],
)
def test_upload_to_nowhere_is_refused(
    caller: HttpCaller, server: LittleServer, clip: Path, reply: dict[str, str]
) -> None:
    on_upload(server)
    server.on("POST /v2/nvcf/assets", send(reply))
    with pytest.raises(ProviderReplyInvalid):
        upload_asset(caller, clip, api_key="k", nvcf_url=server.url)
    assert not any(one.method == "PUT" for one in server.seen)


def test_asset_beyond_the_bound_is_refused_before_anything_is_sent(
    caller: HttpCaller, server: LittleServer, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "MOST_ASSET_BYTES", 1000)
    with pytest.raises(TooLarge):
        upload_asset(caller, clip, api_key="k", nvcf_url=server.url)
    assert server.seen == []


@pytest.mark.parametrize(("status", "is_gone"), [(204, True), (404, True), (500, False)])
def test_failure_to_delete_an_asset_is_reported_and_not_raised(
    caller: HttpCaller, server: LittleServer, status: int, is_gone: bool
) -> None:
    server.on(f"DELETE /v2/nvcf/assets/{ASSET}", send(b"", status))
    assert delete_asset(caller, ASSET, api_key="k", nvcf_url=server.url) is is_gone


def test_hosted_vila_is_asked_about_its_asset(caller: HttpCaller, server: LittleServer) -> None:
    server.on("POST /v1/vlm/nvidia/vila", send(COMPLETION))
    url = f"{server.url}/v1/vlm/nvidia/vila"
    answer = ask_vila(caller, ASSET, ChatOptions(), api_key="k", url=url)
    assert answer.scene is not None
    (seen,) = server.seen
    assert seen.headers["nvcf-input-asset-references"] == ASSET
    assert seen.headers["nvcf-function-asset-ids"] == ASSET
    sent = json.loads(seen.body)
    assert sent["model"] == "nvidia/vila"
    media = f'<video src="data:video/mp4;asset_id,{ASSET}" />'
    assert sent["messages"][0]["content"].endswith(media)
