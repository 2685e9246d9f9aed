"""Commands that show examples in their help, and groups that import a command when it is wanted."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import click

__all__ = ["ExampleCommand", "LazyGroup", "Target"]

Target = str | click.Command
"""A command, or where it is: ``"package.module:name"``."""


class _WithExamples(click.Command):
    """A command whose help ends in examples, which a test runs."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **more: Any) -> None:
        more.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **more)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.examples:
            formatter.write_paragraph()
            formatter.write("Examples:\n")
            for example in self.examples:
                formatter.write(f"  {example}\n")


class ExampleCommand(_WithExamples):
    """A leaf: what ``@click.command(cls=ExampleCommand, examples=...)`` makes."""


class LazyGroup(_WithExamples, click.Group):
    """A group that knows its commands by name and short help, and imports one when it is wanted.

    Parameters
    ----------
    lazy : name -> (where the command is, its help in a line)
    """

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[Target, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        self.lazy = dict(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, imported now; None if there is none of that name."""
        if cmd_name not in self.lazy:
            return None
        target = self.lazy[cmd_name][0]
        if isinstance(target, click.Command):
            return target
        module, _, name = target.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` start with; a UsageError names the nearest one that there is."""
        name = args[0]
        if name not in self.lazy and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.lazy, 1)
            ctx.fail(f"there is no command {name!r}" + (f", did you mean {near[0]}?" if near else ""))
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help if nothing at all is asked for."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, short_help) for name, (_, short_help) in self.lazy.items()])
