"""Whose certificates a client trusts."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from cinemill.client.errors import ClientError

CA_FILE = "CINEMILL_CA_FILE"


def make_context(ca_file: str | Path | None) -> ssl.SSLContext:
    """Return the TLS settings of a client.

    Trusted are the authorities of ``ca_file`` or, without one, of SSL_CERT_FILE and SSL_CERT_DIR
    where they are set, else of this machine and of certifi. Raises ClientError (code
    ``ca_file_invalid``) for a file without any.
    """
    named = ca_file or os.environ.get("SSL_CERT_FILE") or None
    folder = os.environ.get("SSL_CERT_DIR") if ca_file is None else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if named or folder:
            context.load_verify_locations(cafile=named, capath=folder)
        else:
            _load_usual(context)
    except (OSError, ssl.SSLError) as problem:
        raise ClientError(
            f"{named or folder} has no certificates that can be read: {problem}.",
            code="ca_file_invalid",
            hint="Name a file of certificates in PEM.",
            status=400,
        ) from problem
    return context


def _load_usual(context: ssl.SSLContext) -> None:
    import certifi

    context.load_default_certs()
    context.load_verify_locations(cafile=certifi.where())
