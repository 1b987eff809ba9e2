"""Fonts that come with the package, for subtitles and titles."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from cinemill.errors import ToolMissing

FONTS_FOLDER = "fonts"
FONT_PACKAGE = "font_source_sans_pro"
FONT_FILES = tuple(f"SourceSansPro-{face}.ttf" for face in ("Regular", "Bold", "It", "BoldIt"))


def copy_fonts(folder: Path) -> None:
    """Copy the font files into the folder's ``fonts``. Raises ToolMissing."""
    fonts = folder / FONTS_FOLDER
    if not fonts.exists():
        fonts.mkdir()
        for path in find_fonts():
            shutil.copyfile(path, fonts / path.name)


def find_fonts() -> tuple[Path, ...]:
    """Return the font files that subtitles are drawn with. Raises ToolMissing."""
    package = importlib.util.find_spec(FONT_PACKAGE)
    for folder in (package.submodule_search_locations or []) if package else []:
        paths = tuple(Path(folder) / "files" / name for name in FONT_FILES)
        if all(path.is_file() for path in paths):
            return paths
    raise ToolMissing(
        "The font that subtitles are drawn with is missing.",
        hint="Install the package font-source-sans-pro.",
    )
