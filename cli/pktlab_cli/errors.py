"""The only place that turns an error into a line on standard error and an exit status.

0 fine; 1 a judging command found something (its own return value); 2 wrong usage, or nothing could be read;
3 damaged input, read as far as it goes; 130 interrupted. A closed pipe ends quietly, with 0.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pktlab.errors import DamagedCapture, PktlabError, PointedError

if TYPE_CHECKING:
    from pktlab.capture import CaptureReader, Hole, Merged

__all__ = ["DAMAGED", "FOUND", "INTERRUPTED", "UNUSABLE", "ending", "note", "run", "tell", "tell_what_is_logged"]

FOUND, UNUSABLE, DAMAGED, INTERRUPTED = 1, 2, 3, 130
_COMPLETE = "_PKTLAB_COMPLETE"
HOLES_SHOWN = 10
"""Skipped parts that get a line each; what more there is is counted."""


def run(command: click.Command, arguments: Sequence[str]) -> int:
    """Run `command` with `arguments` and return its exit status; what went wrong is said in one line.

    >>> run(click.Command("hello", callback=lambda: print("hello")), [])
    hello
    0
    """
    _prepare_streams()
    try:
        try:
            return _invoke(command, arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _give_up_stdout()
        return 0
    except KeyboardInterrupt:
        _give_up_stdout()
        return INTERRUPTED
    except PktlabError as error:
        return tell(error)
    except click.ClickException as error:
        return _say(_usage_text(error), UNUSABLE)
    except OSError as error:
        status = _say(_system_text(error), UNUSABLE)
        if error.filename is None:
            _give_up_stdout()
        return status


def tell(error: PktlabError) -> int:
    """Say in a line on standard error what `error` is about, and return the status that it stands for.

    Below the line about a filter or an expression it stands itself, with a mark at the place.

    >>> tell(PktlabError("nothing to read")), tell(DamagedCapture("a.pcap", 24, 0, "it ends here"))
    (2, 3)
    """
    sys.stdout.flush()  # what was read before it stands before it
    status = _say(str(error), DAMAGED if isinstance(error, DamagedCapture) else UNUSABLE)
    if isinstance(error, PointedError):
        click.echo("\n".join(f"  {line}" for line in error.pointer), err=True)
    return status


def ending(reader: CaptureReader | Merged) -> int:
    """Say how reading a capture ended, if not at its end, and return the status that this stands for.

    With ``--salvage`` that is a line for each of the first parts that were skipped, and one for the rest.
    """
    readers = getattr(reader, "readers", [reader])  # of several merged captures each has its own ending
    return max(_ending(one) for one in readers)


def _ending(reader: CaptureReader) -> int:
    if reader.damage is None:
        return 0
    if not reader.holes:
        return tell(reader.damage)
    for hole in reader.holes[:HOLES_SHOWN]:
        note(f"{reader.name}: skipped {_size(hole)}: {hole}")
    more = reader.holes[HOLES_SHOWN:]
    if more:
        note(
            f"{reader.name}: skipped {sum(hole.end - hole.start for hole in more):,} bytes in {len(more):,} more parts"
        )
    return DAMAGED


def _size(hole: Hole) -> str:
    length = hole.end - hole.start
    return "1 byte" if length == 1 else f"{length:,} bytes"


def note(text: str) -> None:
    """Say in a line on standard error what is no error, but worth knowing."""
    sys.stdout.flush()
    _say(text, 0)


def tell_what_is_logged() -> None:
    """Have what the library logs, such as that kernels are being compiled, told on standard error."""
    import logging  # here, since most of a start-up without a capture would be this

    logger = logging.getLogger("pktlab")
    if not logger.handlers:
        handler = logging.Handler()
        handler.emit = lambda record: note(record.getMessage())  # type: ignore[method-assign]
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


def _invoke(command: click.Command, arguments: Sequence[str]) -> int:
    """Run `command` as Click does, but leave its errors to `run`."""
    name = command.name or "pktlab"
    if instruction := os.environ.get(_COMPLETE):
        from click.shell_completion import shell_complete

        return shell_complete(command, {}, name, _COMPLETE, instruction)
    try:
        with command.make_context(name, list(arguments)) as ctx:
            return command.invoke(ctx) or 0
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None


def _prepare_streams() -> None:
    """Make sure that text can be written: a closed stream swallows it, a narrow encoding spells it out."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for the life of the process
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _system_text(error: OSError) -> str:
    """Return which file the system refused, and why; what is to be written needs a folder that is there."""
    if error.filename is None:
        return f"standard output: {error.strerror or error}"
    path, why = os.fsdecode(error.filename), (error.strerror or str(error))
    folder = os.path.dirname(path)  # noqa: PTH120 - pathlib takes longer than most of a start-up without a capture
    if isinstance(error, FileNotFoundError) and folder and not os.path.isdir(folder):  # noqa: PTH112
        return f"{path}: there is no folder {folder}"
    if isinstance(error, FileExistsError):
        return f"{path}: is there already, and no folder"
    return f"{path}: {why[:1].lower()}{why[1:]}"


def _usage_text(error: click.ClickException) -> str:
    """Return what was wrong with the command's options, and where to read of the right ones."""
    text = " ".join(error.format_message().split()).rstrip(".").replace("a valid integer range", "a whole number")
    if isinstance(error, click.NoSuchOption):
        text = f"there is no option {error.option_name}{_near(error.possibilities)}"
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{text[:1].lower()}{text[1:]} (see {error.ctx.command_path} --help)"
    return text


def _near(names: Sequence[str] | None) -> str:
    return f", did you mean {' or '.join(names)}?" if names else ""


def _say(text: str, status: int) -> int:
    from pktlab_cli.printing import escape

    click.echo(f"pktlab: {escape(text)}", err=True)
    return status


def _give_up_stdout() -> None:
    """Send what is still buffered nowhere, so that Python does not complain about it at exit."""
    try:
        target = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # it is no file, so nothing is left to flush
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, target)
    os.close(nowhere)
