"""Videos with content credentials (C2PA), signed by certificates that the tests create.

A plain module for every suite: nothing here is on anyone's trust list.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# So long a time that no test depends on the date.
_VALID_FROM, _VALID_TO = datetime(2020, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
_GENERATIVE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


@dataclass(frozen=True)
class TestSigner:
    """A signer with a certificate chain; ``anchor`` is the root in PEM."""

    __test__ = False
    name: str
    chain: str
    key: str
    anchor: str


@cache
def make_signer(name: str = "Press Photographer") -> TestSigner:
    """Create a root and a certificate that it signed."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = _subject(f"{name} Root")
    root = _certificate(root_name, root_name, root_key, root_key, is_authority=True)
    leaf = _certificate(
        *(_subject(name), root_name, key, root_key), usage=ExtendedKeyUsageOID.EMAIL_PROTECTION
    )
    return TestSigner(name, _pem(leaf) + _pem(root), _pem_key(key), _pem(root))


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Cinemill Tests"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CH"),
        ]
    )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool = False,
    usage: x509.ObjectIdentifier | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_VALID_FROM)
        .not_valid_after(_VALID_TO)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(_key_usage(is_authority=is_authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def sign(
    source: Path,
    path: Path,
    signer: TestSigner,
    *,
    title: str = "Harbor at dawn",
    is_generative: bool = False,
    more_actions: Sequence[dict[str, Any]] = (),
    remote_url: str = "",
) -> Path:
    """Sign the video at ``source`` and write it to ``path``.

    With ``remote_url`` the credentials are not embedded, and the file refers to that address.
    """
    created = {
        "action": "c2pa.created",
        "digitalSourceType": _GENERATIVE if is_generative else _CAPTURE,
    }
    actions = [created, *more_actions]
    manifest = {
        "claim_generator_info": [{"name": "Test Camera", "version": "1.0"}],
        "title": title,
        "format": "video/mp4",
        "assertions": [{"label": "c2pa.actions", "data": {"actions": actions}}],
    }
    # With an empty address instead of none, signing fails.
    info = c2pa.C2paSignerInfo(b"es256", signer.chain.encode(), signer.key.encode(), None)
    settings = {"builder": {"thumbnail": {"enabled": False}}}
    with (
        c2pa.Context.from_dict(settings) as context,
        c2pa.Builder(json.dumps(manifest), context) as builder,
        c2pa.Signer.from_info(info) as native,
        source.open("rb") as unsigned,
        path.open("w+b") as signed,
    ):
        if remote_url:
            builder.set_no_embed()
            builder.set_remote_url(remote_url)
        builder.sign(native, "video/mp4", unsigned, signed)
    return path
