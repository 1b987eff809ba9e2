"""The trust list: certificates in PEM whose holders, and those they certify, are trusted."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from cinemill.errors import InputRejected

LARGEST_BYTES = 4 * 1024**2
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class TrustList:
    """Certificates that the installation trusts; none are shipped."""

    pem: str = ""
    certificates: int = 0

    @property
    def fingerprint(self) -> str:
        """Return a text that differs between two lists; empty without any certificate."""
        return hashlib.sha256(self.pem.encode()).hexdigest()[:16] if self.pem else ""


NO_TRUST_LIST = TrustList()


def read_trust_list(path: Path | None) -> TrustList:
    """Return the certificates of a PEM file; text around them is ignored.

    Raises InputRejected (``trust_list_invalid``) where it cannot be read, is too large, has no
    certificate or a damaged one.
    """
    if path is None:
        return NO_TRUST_LIST
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise _reject(path, f"cannot be read ({error.strerror})") from error
    if len(content) > LARGEST_BYTES:
        raise _reject(path, f"is larger than {LARGEST_BYTES >> 20} MiB")
    found = _CERTIFICATE.findall(content.decode("utf-8", "replace"))
    if not found:
        raise _reject(path, "has no certificate in PEM")
    for number, certificate in enumerate(found, start=1):
        _check(path, number, certificate)
    return TrustList("\n".join(found) + "\n", len(found))


def _check(path: Path, number: int, certificate: str) -> None:
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError) as damaged:
        raise _reject(path, f"has a damaged certificate, number {number}") from damaged


def _reject(path: Path, why: str) -> InputRejected:
    return InputRejected(
        f"The trust list {path} {why}.",
        code="trust_list_invalid",
        hint="Set CINEMILL_C2PA_TRUST_ANCHORS to a file of certificates in PEM, or unset it.",
    )
