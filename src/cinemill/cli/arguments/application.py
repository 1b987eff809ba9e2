"""The application's group of commands, which ends in one way, whatever has gone wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import typer
from typer.core import TyperGroup

from cinemill.cli.arguments.endings import EnvironmentFailure, InternalFault, Interrupted
from cinemill.cli.arguments.help_pages import use_help_pages, write_sections
from cinemill.cli.arguments.usage import Place, explain, has_json_flag, locate
from cinemill.cli.capability_commands import find_command, list_commands
from cinemill.cli.console import print_error
from cinemill.cli.exit_codes import ExitCode, exit_code_of
from cinemill.errors import CinemillError


class _PipeClosed(Exception):
    """What reads the output has closed it; typer itself would end with the code of a failed job."""


JSON_KEY = "cinemill.json"
"""Whether messages are for programs, in the meta data of the root context."""


class ApplicationGroup(TyperGroup):
    """The commands, and the one place in which errors become exit codes and sentences."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options before the command, and note whether messages are for programs."""
        ctx.meta[JSON_KEY] = has_json_flag(args)
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a built-in command, else that of an installed package's capability."""
        found = super().get_command(ctx, cmd_name) or find_command(cmd_name)
        if found is not None:
            use_help_pages(found)
        return found

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of built-in commands, followed by those of installed capabilities."""
        own = super().list_commands(ctx)
        return [*own, *list_commands(own)]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands in sections."""
        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        shown = {name: one for name, one in found.items() if one is not None and not one.hidden}
        write_sections(formatter, shown)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and end the process; without ``standalone_mode``, raise errors."""
        given = list(sys.argv[1:] if args is None else args)

        def run() -> Any:
            return super(ApplicationGroup, self).main(
                given, prog_name, complete_var, False, windows_expand_args, **extra
            )

        if not standalone_mode:
            return run()
        use_help_pages(self)
        sys.exit(_run(run, locate(self, given), as_json=has_json_flag(given)))

    def invoke(self, ctx: Any) -> Any:
        """Run a command. Its Ctrl-C and its closed pipe become errors that typer passes on."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None
        except BrokenPipeError as error:
            raise _PipeClosed from error


def _run(run: Callable[[], Any], place: Place, *, as_json: bool) -> int:
    """Return the exit code of a run, after printing what ended it early, if anything did."""
    try:
        result = _report_errors(run, place, as_json=as_json)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (_PipeClosed, BrokenPipeError):
        _discard_output()
        return ExitCode.PIPE_CLOSED
    except OSError as error:
        # Of the flush: a result that cannot be written, as on a full disk, is no success.
        result = _report(EnvironmentFailure(error), as_json=as_json)
        _discard_output()
    return result


def _report_errors(run: Callable[[], Any], place: Place, *, as_json: bool) -> int:
    try:
        result = run()
    except CinemillError as error:
        return _report(error, as_json=as_json)
    except KeyboardInterrupt:
        return _report(Interrupted(), as_json=as_json)
    except (_PipeClosed, BrokenPipeError):
        raise
    except OSError as error:
        return _report(EnvironmentFailure(error), as_json=as_json)
    except typer.Abort:  # Ctrl-C or the end of the input at a question
        return _report(Interrupted(), as_json=as_json)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not look like a failed job
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.message, err=True)  # type: ignore[attr-defined]
            return ExitCode.USAGE
        if hasattr(error, "format_message"):  # of the argument parser
            return _report(explain(error, place), as_json=as_json)
        return _report(InternalFault(error), as_json=as_json)
    return result if isinstance(result, int) else ExitCode.OK


def _report(error: CinemillError, *, as_json: bool) -> ExitCode:
    print_error(error, as_json=as_json)
    return exit_code_of(error)


def _discard_output() -> None:
    """Send what is still buffered nowhere, or Python would complain about it at its end."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            descriptor = os.open(os.devnull, os.O_WRONLY)
            os.dup2(descriptor, stream.fileno())
            os.close(descriptor)
