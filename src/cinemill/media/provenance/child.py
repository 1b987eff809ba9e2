"""The process that reads content credentials, in native code, from an untrusted file.

Started by ``read_provenance`` in the sandbox. It never uses the network: credentials that lie
elsewhere are not fetched, and certificates are not looked up.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypedDict

from cinemill.core.origin.provenance import ProvenanceReport, ProvenanceState
from cinemill.media.ffmpeg.python_child import answer_request
from cinemill.media.provenance.manifest import read_store

_ERROR_NAME_CHARACTERS = 60
# The reader names what went wrong at the beginning of its messages.
_NOTHING = ("ManifestNotFound", "JumbfNotFound", "JumbfBoxNotFound")
_REMOTE = ("Remote",)


def read_credentials(path: Path, mime_type: str, trust_anchors: str) -> ProvenanceReport:
    """Return the content credentials in the file at ``path``.

    ``trust_anchors`` are certificates in PEM; nobody is trusted where there are none.
    """
    import c2pa

    settings: dict[str, Any] = {
        "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
        "core": {"allowed_network_hosts": []},
    }
    if trust_anchors:  # the reader takes an empty list for a damaged one
        settings["trust"] = {"trust_anchors": trust_anchors}
    library = f"c2pa-python {c2pa.__version__}, c2pa-rs {c2pa.sdk_version()}"
    try:
        with (
            path.open("rb") as file,
            c2pa.Context.from_dict(settings) as context,
            c2pa.Reader(mime_type, file, context=context) as reader,
        ):
            written = reader.json()
        return read_written(written, library, has_trust_list=bool(trust_anchors))
    except c2pa.C2paError as error:
        return _explain(str(error), library, has_trust_list=bool(trust_anchors))


def read_written(written: str, library: str, *, has_trust_list: bool) -> ProvenanceReport:
    """Return the report on what the reader wrote; its state is FAILED if that makes no sense."""
    try:
        store = json.loads(written)
        if isinstance(store, dict):
            return read_store(store, has_trust_list=has_trust_list, reader=library)
    except (ValueError, RecursionError):
        pass
    reason = "The reader found credentials, but its account of them cannot be read."
    return ProvenanceReport(
        ProvenanceState.FAILED, reason, has_trust_list=has_trust_list, reader=library
    )


def _explain(message: str, library: str, *, has_trust_list: bool) -> ProvenanceReport:
    state, reason = ProvenanceState.FAILED, f"The reader reports: {_clip(message)}."
    if message.startswith(_NOTHING):
        state, reason = ProvenanceState.NONE, ""
    elif message.startswith(_REMOTE):
        state = ProvenanceState.UNSUPPORTED
        reason = "The file only refers to credentials on a server, and none are fetched."
    return ProvenanceReport(state, reason, has_trust_list=has_trust_list, reader=library)


def _clip(message: str) -> str:
    """Return the error's name without what the file adds to it."""
    return "".join(one for one in message.partition(":")[0] if one.isalnum() or one == " ")[
        :_ERROR_NAME_CHARACTERS
    ]


class CredentialsRequest(TypedDict):
    """A file, its type, and the certificates (PEM) to trust."""

    path: str
    mime_type: str
    trust_anchors: str


def handle_request(request: CredentialsRequest) -> dict[str, Any]:
    """Return ``{"report": …}``."""
    report = read_credentials(Path(request["path"]), request["mime_type"], request["trust_anchors"])
    return {"report": report.to_json()}


if __name__ == "__main__":
    answer_request(handle_request)
