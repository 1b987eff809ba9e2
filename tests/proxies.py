"""Reverse proxies of Debian, with the configurations of the how-to and with others.

A plain module for every suite. Each proxy is a process of the test, on ports of its own; the
machine's service is left alone.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.waiting import PATIENCE_SECONDS

NAME = "media.example.com"
"""As on the page. It is made to mean this machine by whoever asks for it."""
PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "behind-a-proxy.md"
UPSTREAM = "127.0.0.1:8420"
_NGINX = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {configuration}
}}
"""
_CADDY = """
{{
    admin off
    auto_https disable_redirects
    default_bind 127.0.0.1
    storage file_system {folder}
}}
{configuration}
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files of a certificate, and of the authority that vouches for it."""

    chain: Path
    key: Path
    authority: Path


def make_certificate(folder: Path, name: str = NAME, *, is_expired: bool = False) -> Certificate:
    """Make an authority of the test, and a certificate of it for this name and 127.0.0.1."""
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
    usual = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    identifier = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    root = (
        x509.CertificateBuilder(issuer, issuer, root_key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usual, critical=True)
        .add_extension(identifier, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    end = now - timedelta(days=1) if is_expired else now + timedelta(days=20)
    names = [x509.DNSName(name)]
    if name == NAME:
        names.append(x509.IPAddress(ip_address("127.0.0.1")))  # type: ignore[arg-type]
    leaf = (
        x509.CertificateBuilder(
            issuer,
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            key.public_key(),
            x509.random_serial_number(),
        )
        .not_valid_before(now - timedelta(days=20))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(root_key, hashes.SHA256())
    )
    made = Certificate(folder / "chain.pem", folder / "key.pem", folder / "authority.pem")
    pem = serialization.Encoding.PEM
    made.chain.write_bytes(leaf.public_bytes(pem) + root.public_bytes(pem))
    made.authority.write_bytes(root.public_bytes(pem))
    made.key.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


def read_blocks(language: str) -> list[str]:
    """Return the configurations of the how-to for one proxy, in the order of the page."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def below_path() -> str:
    """Return the page's configuration of nginx with its location for a path."""
    whole, location = read_blocks("nginx")
    return re.sub(r"    location / \{.*?\n    \}\n", lambda _: location, whole, flags=re.DOTALL)


def find_proxy(name: str) -> str:
    """Return the path of nginx or Caddy; skip the test if the machine has none.

    Ask before a server is started that would wait behind it in vain.
    """
    program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip(f"{name} is not installed")
    return program


@contextmanager
def running_nginx(
    folder: Path, configuration: str, *, port: int, upstream: int, certificate: Certificate
) -> Iterator[None]:
    """Run nginx with this configuration, whose files, port and upstream are replaced."""
    program = find_proxy("nginx")
    folder.mkdir(parents=True, exist_ok=True)
    ours = (
        configuration.replace("listen 443", f"listen 127.0.0.1:{port}")
        .replace("/etc/ssl/certs/media.example.com.pem", str(certificate.chain))
        .replace("/etc/ssl/private/media.example.com.key", str(certificate.key))
        .replace(UPSTREAM, f"127.0.0.1:{upstream}")
    )
    file = folder / "nginx.conf"
    # Its workers are another user's otherwise, who may not write below the folders of tests.
    user = "user root;" if os.geteuid() == 0 else ""
    file.write_text(_NGINX.format(folder=folder, user=user, configuration=ours), "utf-8")
    command = [program, "-c", str(file), "-p", str(folder), "-e", str(folder / "error.log")]
    with _running(command, folder, port):
        yield


@contextmanager
def running_caddy(
    folder: Path, configuration: str, *, port: int, upstream: int, certificate: Certificate
) -> Iterator[None]:
    """Run Caddy with this configuration, whose address, certificate and upstream are replaced."""
    program = find_proxy("caddy")
    folder.mkdir(parents=True, exist_ok=True)
    tls = f"    tls {certificate.chain} {certificate.key}"
    ours = configuration.replace(f"{NAME} {{", f"https://{NAME}:{port} {{\n{tls}").replace(
        UPSTREAM, f"127.0.0.1:{upstream}"
    )
    file = folder / "Caddyfile"
    file.write_text(_CADDY.format(folder=folder, configuration=ours), "utf-8")
    with _running([program, "run", "--config", str(file), "--adapter", "caddyfile"], folder, port):
        yield


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    with (folder / "console").open("wb") as console:
        process = subprocess.Popen(
            command, stdout=console, stderr=console, env={"HOME": str(folder), "PATH": "/usr/bin"}
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _accepts(port):
            said = (folder / "console").read_text("utf-8", "replace")
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()


def _accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
