"""One catalog of the product's capabilities and those of packages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cinemill.capability.parts import NamedPart, list_parts
from cinemill.capability.plan_guard import guard_job
from cinemill.jobs.catalog import Catalog, Queue, by_name
from cinemill.steps.capability import Capability
from cinemill.steps.discovery import Found, LeftOut, Origin
from cinemill.steps.package_code import contained, describe

PRODUCT = Origin("Cinemill", "", "")
"""Of what is built in."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A capability of a package, checked."""

    origin: Origin
    capability: Capability


@dataclass(frozen=True, slots=True)
class Composition:
    """What this process offers, and what it could not take."""

    built_in: tuple[Capability, ...]
    installed: tuple[Installed, ...]
    left_out: tuple[LeftOut, ...]
    catalog: Catalog

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """All of them, the product's own first."""
        return (*self.built_in, *(one.capability for one in self.installed))


def compose(
    built_in: Sequence[Capability],
    queues: Sequence[Queue],
    found: Iterable[Found | LeftOut] = (),
) -> Composition:
    """Compose the product's capabilities with those that were found in packages.

    ``queues`` are those that belong to no capability. A name that is taken stays with its owner:
    with the product, else with the package that comes first. Raises nothing for what was found.
    """
    owners = {part: PRODUCT for one in built_in for part in list_parts(one)}
    owners |= {NamedPart("queue", queue.name): PRODUCT for queue in queues}
    installed: list[Installed] = []
    left_out: list[LeftOut] = []
    for one in found:
        checked = one if isinstance(one, LeftOut) else _examine(one, owners)
        if isinstance(checked, LeftOut):
            left_out.append(checked)
            continue
        owners |= dict.fromkeys(list_parts(checked.capability), checked.origin)
        installed.append(checked)
    catalog = _make_catalog(built_in, installed, queues)
    return Composition(tuple(built_in), tuple(installed), tuple(left_out), catalog)


def _examine(found: Found, owners: dict[NamedPart, Origin]) -> Installed | LeftOut:
    try:
        with contained():
            return _check(found, owners)
    except Exception as error:  # noqa: BLE001 - its class may be the package's own
        reason = f"names an object that cannot be read: {describe(error)}."
        return LeftOut.because(found.origin, reason)


def _check(found: Found, owners: dict[NamedPart, Origin]) -> Installed | LeftOut:
    # Brings pydantic, which processes without packages' capabilities can do without here.
    from cinemill.capability.checks import find_flaw

    flaw = find_flaw(found.value)
    if flaw is not None or not isinstance(found.value, Capability):
        return LeftOut.because(found.origin, flaw or "names no capability.")
    clash = _find_clash(found.value, owners)
    if clash is not None:
        return LeftOut.because(found.origin, clash)
    return Installed(found.origin, found.value)


def _find_clash(capability: Capability, owners: dict[NamedPart, Origin]) -> str | None:
    for part in list_parts(capability):
        if part in owners:
            return f"defines the {part.sort} '{part.name}', which {owners[part]} has already."
    queues = {part.name for part in owners if part.sort == "queue"}
    queues |= {queue.name for queue in capability.queues}
    for step in capability.steps:
        if step.queue not in queues:
            return f"has a kind of step '{step.name}' in a queue '{step.queue}' that is not there."
    return None


def _make_catalog(
    built_in: Sequence[Capability], installed: Sequence[Installed], queues: Sequence[Queue]
) -> Catalog:
    capabilities = [*built_in, *(one.capability for one in installed)]
    own = (queue for one in capabilities for queue in one.queues)
    ordered = sorted((*queues, *own), key=lambda queue: -queue.priority)
    steps = by_name([kind for one in capabilities for kind in one.steps])
    jobs = [kind for one in built_in for kind in one.jobs]
    jobs += [
        guard_job(one.origin, kind, steps) for one in installed for kind in one.capability.jobs
    ]
    return Catalog(queues=by_name(ordered), steps=steps, jobs=by_name(jobs))
