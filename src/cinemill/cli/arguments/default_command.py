"""A group of commands of which one may be left out on the command line."""

from __future__ import annotations

from typing import Any, ClassVar

from typer.core import TyperGroup


class DefaultCommandGroup(TyperGroup):
    """A group whose default command runs where the first argument names no command."""

    default_command: ClassVar[str]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default command, unless a command or the help is asked for."""
        if self._needs_default(ctx, args):
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)

    def _needs_default(self, ctx: Any, args: list[str]) -> bool:
        if not args:
            return not self.no_args_is_help
        return args[0] not in self.commands and args[0] not in ctx.help_option_names
