"""Commands of installed packages' capabilities, looked up only after our own commands.

Looking them up imports the catalog and the packages, which takes longer than most commands run.
If no package declares a capability, nothing is imported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer

from cinemill.errors import CapabilityUnusable, CinemillError, ToolMissing
from cinemill.steps.discovery import LeftOut, is_any_installed
from cinemill.steps.package_code import contained, describe

if TYPE_CHECKING:
    from cinemill.capability.composition import Composition, Installed
    from cinemill.config import Settings


def find_command(name: str) -> Any:
    """Return the command of the capability with this name, or None if there is none.

    Raises CapabilityUnusable if it is installed but cannot be used.
    """
    if not is_any_installed():
        return None
    from cinemill.catalog import COMPOSITION

    for installed in COMPOSITION.installed:
        if installed.capability.name == name:
            command = build_command(installed)
            if isinstance(command, LeftOut):
                raise CapabilityUnusable(command.reason, hint=command.hint)
            return command
    # After those that can be used: another package's entry point may have any name.
    for left_out in COMPOSITION.left_out:
        if left_out.origin.entry_point == name:
            raise CapabilityUnusable(left_out.reason, hint=left_out.hint)
    return None


def list_commands(taken: Collection[str]) -> dict[str, Any]:
    """Return the commands of all usable capabilities by name."""
    if not is_any_installed():
        return {}
    from cinemill.catalog import COMPOSITION

    built = {
        one.capability.name: build_command(one)
        for one in COMPOSITION.installed
        if one.capability.name not in taken
    }
    return {
        name: command
        for name, command in built.items()
        if command is not None and not isinstance(command, LeftOut)
    }


def check_commands(composition: Composition, taken: Collection[str]) -> list[LeftOut]:
    """Build the commands of all capabilities, and return those left out, with the reason."""
    built = [build_command(one, taken) for one in composition.installed]
    return [one for one in built if isinstance(one, LeftOut)]


def build_command(installed: Installed, taken: Collection[str] = ()) -> Any:
    """Return a capability's command, a LeftOut with the reason, or None if it has no command.

    Raises nothing.
    """
    capability = installed.capability
    if capability.build_command is None:
        return None
    try:
        with contained():
            return _make_command(capability.build_command(), capability.name, taken)
    except CinemillError as error:
        reason = f"has a command that cannot be used: {error.message}"
        return LeftOut.because(installed.origin, reason, hint=error.hint)
    except Exception as error:  # noqa: BLE001 - it is third-party code
        reason = f"has a command that cannot be used: {describe(error)}."
        return LeftOut.because(installed.origin, reason)


def _make_command(built: object, name: str, taken: Collection[str]) -> Any:
    if name in taken:
        raise ValueError(f"Cinemill has a command '{name}' of its own")
    if not isinstance(built, typer.Typer):
        raise TypeError(f"build_command returns a {type(built).__name__} instead of a typer.Typer")
    command = typer.main.get_command(built)
    command.name = name
    command.get_short_help_str()  # as the help of all commands is about to
    return command


def find_unbuildable(
    settings: Settings, composition: Composition, commands: Collection[str]
) -> Iterator[LeftOut]:
    """Yield what cannot be built; handlers and routes only if their servers are known."""
    yield from check_commands(composition, commands)
    if not composition.installed or settings.database_url is None or settings.redis_url is None:
        return
    from cinemill.api.app import check_routers
    from cinemill.worker.context import WorkerContext
    from cinemill.worker.handlers import check_handlers

    yield from check_routers(settings, composition)
    with suppress(ToolMissing):  # the check of FFmpeg reports it
        yield from check_handlers(WorkerContext(settings), composition)
