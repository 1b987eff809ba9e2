"""Files for models that NVIDIA hosts: uploaded before a request, deleted after it.

NVIDIA deletes an asset by itself after a day; a worker that is killed leaves it until then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinemill.errors import CinemillError, InputRejected, TooLarge
from cinemill.inference.providers.failures import ProviderRejected, ProviderReplyInvalid
from cinemill.inference.providers.nvidia.chat import VIDEO_TYPE
from cinemill.inference.providers.nvidia.http import HttpCaller, read_json
from cinemill.inference.providers.nvidia.server import check_url

NVCF_URL = "https://api.nvcf.nvidia.com"
DESCRIPTION = "a chunk of a video"
MOST_ASSET_BYTES = 200 * 1024 * 1024
READ_BYTES = 256 * 1024
_ID = r"^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


class _Asset(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    assetId: str = Field(pattern=_ID)  # noqa: N815 – the service's own name
    uploadUrl: str = Field(max_length=8192)  # noqa: N815


def upload_asset(caller: HttpCaller, path: Path, *, api_key: str, nvcf_url: str = NVCF_URL) -> str:
    """Upload a clip (MP4) and return the id of the asset.

    Where the upload fails, the asset is deleted. Raises InputRejected (``video_empty``), TooLarge
    (``clip_too_large``), what the caller raises, ProviderReplyInvalid, OSError.
    """
    size_bytes = path.stat().st_size
    if size_bytes == 0:
        raise InputRejected("The clip is empty.", code="video_empty")
    if size_bytes > MOST_ASSET_BYTES:
        raise TooLarge(
            f"The clip has more than {MOST_ASSET_BYTES >> 20} MiB.",
            code="clip_too_large",
            hint="Analyze shorter chunks or a smaller rendition.",
        )
    created = caller.call(
        "POST",
        f"{check_url(nvcf_url)}/v2/nvcf/assets",
        api_key=api_key,
        document={"contentType": VIDEO_TYPE, "description": DESCRIPTION},
    )
    try:
        asset = _Asset.model_validate(read_json(created))
    except ValidationError as invalid:
        raise ProviderReplyInvalid("The reply does not name an asset.") from invalid
    try:
        _check_upload_url(asset.uploadUrl, nvcf_url)
        # The address is signed for these headers, and takes no key.
        caller.call(
            "PUT",
            asset.uploadUrl,
            content=_read_pieces(path),
            headers={
                "Content-Type": VIDEO_TYPE,
                "Content-Length": str(size_bytes),
                "x-amz-meta-nvcf-asset-description": DESCRIPTION,
            },
        )
    except BaseException:
        delete_asset(caller, asset.assetId, api_key=api_key, nvcf_url=nvcf_url)
        raise
    return asset.assetId


def delete_asset(
    caller: HttpCaller, asset_id: str, *, api_key: str, nvcf_url: str = NVCF_URL
) -> bool:
    """Delete an asset, and return whether it is gone. A failure here costs no result."""
    if not re.fullmatch(_ID, asset_id):
        return False
    try:
        caller.call("DELETE", f"{check_url(nvcf_url)}/v2/nvcf/assets/{asset_id}", api_key=api_key)
    except ProviderRejected as rejected:
        return rejected.code == "provider_address_unknown"
    except CinemillError:
        return False
    return True


def _check_upload_url(upload_url: str, nvcf_url: str) -> None:
    # The clip of a service that is asked over TLS does not leave without.
    is_plain = upload_url.startswith("http://") and nvcf_url.startswith("http://")
    if not upload_url.startswith("https://") and not is_plain:
        raise ProviderReplyInvalid("The reply names no address to upload to.")


def _read_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            yield piece
