"""Finding capabilities in installed packages, without letting a broken one do any harm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata

from cinemill.errors import clip_text
from cinemill.steps.package_code import contained, describe

GROUP = "cinemill.capabilities"
LONGEST_REASON = 400


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a capability comes from."""

    package: str
    version: str
    entry_point: str
    """Its name in the group."""

    def __str__(self) -> str:
        return f"{self.package} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class Found:
    """What an entry point names, whatever that is."""

    origin: Origin
    value: object


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A capability, or a part of one, that is installed and not used."""

    origin: Origin
    reason: str
    """A sentence that begins with the package."""
    hint: str

    @classmethod
    def because(cls, origin: Origin, reason: str, *, hint: str = "") -> LeftOut:
        """Describe what is wrong with a package; ``reason`` goes on after its name."""
        words = clip_text(f"{origin} {reason}", LONGEST_REASON)
        return cls(origin, words, hint or _repair(origin))


def discover(points: Iterable[metadata.EntryPoint] | None = None) -> list[Found | LeftOut]:
    """Load what installed packages name in the group, in the order of the packages' names.

    Reads the entry points once; ``points`` replaces the installed ones. Raises nothing: what
    cannot be loaded is described instead.
    """
    try:
        installed = list(metadata.entry_points(group=GROUP) if points is None else points)
    except Exception as error:  # noqa: BLE001 - some package's metadata cannot be parsed
        origin = Origin("A package", "", "")
        reason = f"has metadata that cannot be read: {describe(error)}."
        return [LeftOut.because(origin, reason, hint="Run 'pip check' to find out which.")]
    return list(_load_all(sorted(((_origin(point), point) for point in installed), key=_rank)))


def is_any_installed() -> bool:
    """Return whether some package names a capability; loads none of them."""
    try:
        return bool(metadata.entry_points(group=GROUP))
    except Exception:  # noqa: BLE001 - some package's metadata cannot be parsed
        return True


def _load_all(points: Iterable[tuple[Origin, metadata.EntryPoint]]) -> Iterator[Found | LeftOut]:
    for origin, point in points:
        try:
            with contained():
                value = point.load()
        except Exception as error:  # noqa: BLE001 - it is somebody else's code
            yield LeftOut.because(
                origin,
                f"cannot be imported: its entry point {point.name} = {point.value} ends in "
                f"{describe(error)}.",
            )
        else:
            yield Found(origin, value)


def _origin(point: metadata.EntryPoint) -> Origin:
    try:
        package, version = point.dist.name, point.dist.version  # type: ignore[union-attr]
    except Exception:  # noqa: BLE001 - what the package's metadata lacks
        package = version = None
    return Origin(package or "A package", str(version or ""), point.name)


def _rank(found: tuple[Origin, metadata.EntryPoint]) -> tuple[str, ...]:
    origin, point = found
    return (origin.package.lower(), origin.entry_point, point.value)


def _repair(origin: Origin) -> str:
    return (
        f"Install a version of {origin.package} that fits this Cinemill, or remove it:"
        f" pip uninstall {origin.package}"
    )
