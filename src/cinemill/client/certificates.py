"""Whose certificates are trusted, and what was wrong with one that is not."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from cinemill.client.errors import ClientError

CA_FILE = "CINEMILL_CA_FILE"
_NOT_YET_VALID, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
"""https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/"""
_TRUST_IT = (
    "If it is your own, name the file of its authority (PEM) with --ca-file, CINEMILL_CA_FILE or "
    "SSL_CERT_FILE."
)


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


def error_from_certificate(problem: ssl.SSLCertVerificationError, address: str) -> ClientError:
    """Return the error of a server whose certificate was not accepted."""
    match problem.verify_code:
        case number if number in (_EXPIRED, _NOT_YET_VALID):
            state = "has expired" if number == _EXPIRED else "is not valid yet"
            return ClientError(
                f"The certificate of {address} {state}.",
                code="certificate_expired",
                hint="Renew it there; if it is valid, set the clock of this machine.",
            )
        case number if number in (_OTHER_NAME, _OTHER_ADDRESS):
            return ClientError(
                f"The certificate of {address} is for another name: {problem.verify_message}",
                code="certificate_wrong_name",
                hint="Use the name that the certificate is for, as it is in CINEMILL_PUBLIC_URL.",
            )
        case _:
            return ClientError(
                f"The certificate of {address} is not trusted: {problem.verify_message}.",
                code="certificate_untrusted",
                hint=_TRUST_IT,
            )
