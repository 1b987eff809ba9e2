"""Installing a package into a folder as pip does, without a network or a build backend.

A plain module for every suite. From a pure wheel pip unpacks the package's folder and, next to it,
a ``.dist-info`` folder with its name, version and entry points, which are all in
``pyproject.toml``.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).parent.parent / "examples" / "capability"
GROUP = "cinemill.capabilities"


def install_project(source: Path, site: Path) -> Path:
    """Install the project of a folder into ``site``, to be put on PYTHONPATH; return ``site``."""
    document: dict[str, Any] = tomllib.loads((source / "pyproject.toml").read_text("utf-8"))
    for folder in document["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source / folder, site / Path(folder).name, ignore=ignore)
    project = document["project"]
    write_metadata(site, project["name"], project["version"], project["entry-points"])
    return site


def install_module(
    site: Path, name: str, code: str, *, points: Mapping[str, str], version: str = "1.0"
) -> Path:
    """Install a package of one module; ``points`` are its capabilities' entry points."""
    site.mkdir(parents=True, exist_ok=True)
    (site / f"{name.replace('-', '_')}.py").write_text(code, encoding="utf-8")
    write_metadata(site, name, version, {GROUP: points})
    return site


def write_metadata(
    site: Path, name: str, version: str, groups: Mapping[str, Mapping[str, str]]
) -> None:
    """Write the files that ``importlib.metadata`` reads of an installed package."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / "METADATA").write_text(head, encoding="utf-8")
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{point} = {target}" for point, target in points.items()), "")
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
