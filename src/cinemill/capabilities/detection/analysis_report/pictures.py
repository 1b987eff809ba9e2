"""Faces and evidence maps as figures within the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from html import escape

from cinemill.capabilities.detection.analysis_report.figures import format_score, format_time
from cinemill.capabilities.detection.illustrations.records import EvidenceMap, FacePicture

SIDE = 224
STRONG_PART = 0.5
"""Of the highest value: cells over it are outlined, so that a map can be read without colors."""


def write_face(picture: FacePicture, caption: str) -> str:
    """Return a figure of one face; ``caption`` is HTML."""
    return f"<figure>{_draw(picture)}<figcaption>{caption}</figcaption></figure>"


def write_map(picture: FacePicture | None, evidence: EvidenceMap, caption: str) -> str:
    """Return a figure with the face, and the face under its map; ``caption`` is HTML."""
    plain = _draw(picture) if picture else ""
    mapped = _draw(picture, _draw_cells(evidence.cells, evidence.highest))
    return (
        f'<figure class="wide"><div class="pair">{plain}{mapped}</div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def describe_picture(picture: FacePicture) -> str:
    """Return what a picture shows, as text."""
    return f"Face {picture.face_number} at {format_time(picture.time_ms)}"


def order_pictures(pictures: Sequence[FacePicture]) -> dict[int, list[FacePicture]]:
    """Return the pictures of each face, by its number: the highest score first."""
    faces: dict[int, list[FacePicture]] = {}
    for one in sorted(pictures, key=lambda one: (one.face_number, -(one.score or 0.0))):
        faces.setdefault(one.face_number, []).append(one)
    return faces


def name_scores(pictures: Sequence[FacePicture]) -> Iterator[tuple[FacePicture, str]]:
    """Yield the highest and the lowest of a face's pictures, with words for their scores."""
    scored = [one for one in pictures if one.score is not None]
    if not scored:
        yield from ((one, "no score") for one in pictures[:1])
        return
    highest, lowest = scored[0], scored[-1]
    if highest.score == lowest.score:
        yield highest, f"score {format_score(highest.score)}"
        return
    yield highest, f"highest score, {format_score(highest.score)}"
    yield lowest, f"lowest score, {format_score(lowest.score)}"


def _draw(picture: FacePicture | None, marks: str = "") -> str:
    label = describe_picture(picture) if picture else "A face of which no picture was kept"
    size = f'width="{SIDE}" height="{SIDE}"'
    image = (
        f'<image {size} href="data:image/jpeg;base64,{escape(picture.jpeg)}"/>'
        if picture
        else f'<rect class="blank" {size}/>'
    )
    what = ", with the parts marked on which its score depends" if marks else ""
    return (
        f'<svg viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{label}{what}">{image}{marks}'
        "</svg>"
    )


def _draw_cells(cells: Sequence[Sequence[float]], highest: float) -> str:
    if highest <= 0:
        return ""
    size = len(cells)
    shares = {
        (row, column): value / highest
        for row, values in enumerate(cells)
        for column, value in enumerate(values[:size])
        if value > 0
    }
    side = SIDE / size
    heat = "".join(
        f'<rect class="heat" x="{column * side:.1f}" y="{row * side:.1f}" width="{side:.1f}" '
        f'height="{side:.1f}" fill-opacity="{0.6 * share:.2f}"/>'
        for (row, column), share in shares.items()
    )
    strong = {place for place, share in shares.items() if share >= STRONG_PART}
    path = "".join(_outline(strong, side))
    return f'{heat}<path class="cell" d="{path}"/><path class="edge" d="{path}"/>'


def _outline(cells: Set[tuple[int, int]], side: float) -> Iterator[str]:
    """Yield the sides of cells that are not next to another cell."""
    for row, column in sorted(cells):
        left, top = f"{column * side:.1f}", f"{row * side:.1f}"
        right, bottom = f"{(column + 1) * side:.1f}", f"{(row + 1) * side:.1f}"
        if (row - 1, column) not in cells:
            yield f"M{left} {top}H{right}"
        if (row + 1, column) not in cells:
            yield f"M{left} {bottom}H{right}"
        if (row, column - 1) not in cells:
            yield f"M{left} {top}V{bottom}"
        if (row, column + 1) not in cells:
            yield f"M{right} {top}V{bottom}"
