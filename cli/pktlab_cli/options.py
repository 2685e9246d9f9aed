"""Options that commands share, each as one decorator; what a command gets is ready to use."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pktlab_cli.errors import tell_what_is_logged
from pktlab_cli.groups import ExampleCommand
from pktlab_cli.hextext import read_hex
from pktlab_cli.printing import Printer

if TYPE_CHECKING:
    from pktlab.api import Capture, Packet, Selection
    from pktlab.wire import Header

__all__ = [
    "Condition",
    "bytes_of",
    "color_option",
    "command",
    "filter_option",
    "frame_of",
    "json_option",
    "one_packet",
    "packet_options",
    "packets_of",
    "protocol_options",
    "salvage_option",
    "source_options",
    "sources_options",
    "threads_option",
]

Function = Callable[..., Any]


class Condition(NamedTuple):
    """What packets have to pass, both if there are two: a display filter, and one in libpcap's language."""

    text: str | None
    bpf: str | None


def command(name: str, *examples: str, **more: Any) -> Callable[[Function], click.Command]:
    """Declare a command with the examples that its help ends in."""
    return click.command(name, cls=ExampleCommand, examples=examples, **more)


def source_options(function: Function) -> Function:
    """Give `function` a ``source``: the FILE or ``-r FILE`` that was named; None if there is none."""

    @click.argument("file", required=False)
    @click.option("-r", "--read", "read_file", metavar="FILE", help="Read FILE, the same as naming it; - is stdin.")
    @functools.wraps(function)
    def wrapper(file: str | None, read_file: str | None, **options: Any) -> Any:
        if file is not None and read_file is not None:
            raise _misuse(f"read {file} or {read_file}? Name one file")
        return function(source=read_file if file is None else file, **options)

    return wrapper


def sources_options(function: Function) -> Function:
    """Give `function` a ``sources``: the FILEs that were named, with ``-r`` or without."""

    @click.argument("files", nargs=-1, metavar="[FILE]...")
    @click.option("-r", "--read", "more", multiple=True, metavar="FILE", help="Read FILE, the same as naming it.")
    @functools.wraps(function)
    def wrapper(files: tuple[str, ...], more: tuple[str, ...], **options: Any) -> Any:
        return function(sources=[*files, *more], **options)

    return wrapper


def packet_options(function: Function) -> Function:
    """Give `function` ``frame``, ``hex_text`` and ``as_``: which packet of a capture, or bytes instead of one."""
    for option in (
        click.option("--as", "as_", metavar="PROTOCOL", help="What the bytes of --hex start with: eth, ip, udp …"),
        click.option("--hex", "hex_text", metavar="HEX", help="A packet as hex or a hex dump; - reads it from stdin."),
        click.option("--frame", type=click.IntRange(min=1), metavar="N", help="Packet N only, counted from 1."),
    ):
        function = option(function)
    return function


def protocol_options(function: Function) -> Function:
    """Give `function` ``protocols``: the user's own, by the condition under which they are read."""

    @click.option("--schema", "schemas", multiple=True, metavar="FILE.py:NAME", help="A protocol of your own.")
    @click.option("--on", "conditions", multiple=True, metavar="FIELD=N", help="Where it is found: udp.port=9999.")
    @functools.wraps(function)
    def wrapper(schemas: tuple[str, ...], conditions: tuple[str, ...], **options: Any) -> Any:
        return function(protocols=_load_protocols(schemas, conditions), **options)

    return wrapper


def _load_protocols(schemas: tuple[str, ...], conditions: tuple[str, ...]) -> dict[str, type[Header]]:
    """Pair each schema with its condition; one schema may have several."""
    if not schemas and not conditions:
        return {}
    if len(schemas) != len(conditions) and (len(schemas) != 1 or not conditions):
        raise _misuse("each --schema needs an --on that says where it is found, such as --on udp.port=9999")
    from pktlab.api import load_schema

    if len(schemas) == 1:
        schemas *= len(conditions)
    return {condition: load_schema(schema) for schema, condition in zip(schemas, conditions, strict=True)}


def color_option(function: Function) -> Function:
    """Give `function` an ``out``, the `Printer` of its results."""

    @click.option(
        "--color", type=click.Choice(["auto", "always", "never"]), default="auto",
        help="Colour: auto is on for a terminal, unless NO_COLOR is set.",
    )  # fmt: skip
    @functools.wraps(function)
    def wrapper(color: str, **options: Any) -> Any:
        return function(out=Printer(color), **options)

    return wrapper


def filter_option(function: Function) -> Function:
    """Give `function` a ``condition``, the `Condition` that packets have to pass; None if there is none."""

    @click.option("-f", "bpf", metavar="FILTER", help="Only packets that pass FILTER, written as for tcpdump.")
    @click.option("-Y", "--where", "text", metavar="FILTER", help="Only packets that pass FILTER, as in Wireshark.")
    @functools.wraps(function)
    def wrapper(bpf: str | None, text: str | None, **options: Any) -> Any:
        return function(condition=None if bpf is None and text is None else Condition(text, bpf), **options)

    return wrapper


salvage_option = click.option(
    "--salvage", is_flag=True, help="Go on behind damage with the next packet that can be proven; say what was skipped."
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), default=lambda: os.cpu_count() or 1, metavar="N",
    help="Work on N cores; all, if not given.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


# ---- what the options stand for


def packets_of(
    source: str | Sequence[str] | None,
    protocols: dict[str, type[Header]],
    condition: Condition | None = None,
    *,
    salvage: bool = False,
) -> Capture | Selection:
    """Open the capture that the user named, or those of its packets that pass a filter.

    Of several captures the packets come merged, by time.
    """
    from pktlab import api

    tell_what_is_logged()
    if not source and source != "":
        raise _misuse("name a capture FILE, or - for standard input")
    if condition is None:
        return api.open(source, protocols=protocols, salvage=salvage)
    from pktlab.columns.filters import compile_filter

    # before a word is read: standard input may be slow
    chosen = compile_filter(condition.text, protocols, bpf=condition.bpf)
    return api.open(source, protocols=protocols, salvage=salvage).where(chosen)


def one_packet(
    source: str | Sequence[str] | None,
    frame: int | None,
    hex_text: str | None,
    as_: str | None,
    protocols: dict[str, type[Header]],
    *,
    salvage: bool = False,
) -> Packet:
    """Return the packet that the user named: ``--hex`` bytes, or ``--frame`` of a capture."""
    if hex_text is not None:
        if source or frame is not None:
            raise _misuse("--hex stands instead of a FILE and --frame")
        return _pasted_packet(hex_text, as_, protocols)
    if as_ is not None:
        raise _misuse("--as says what the bytes of --hex are; a capture knows its own")
    if frame is None:
        raise _misuse("which packet? Give --frame N, or --hex")
    with packets_of(source, protocols, salvage=salvage) as capture:
        return frame_of(capture, frame)


def frame_of(capture: Capture | Selection, number: int) -> Packet:
    """Return a packet by its number; one that is not there is wrong usage, or lies behind the damage."""
    count = 0
    for packet in capture:  # not capture.frame(), which opens the file again: standard input can be read once
        count = packet.number
        if count == number:
            return packet
    if capture.damage is not None:
        raise capture.damage
    raise click.ClickException(f"{capture.name} has no frame {number}; it has {count}")


def _pasted_packet(hex_text: str, as_: str | None, protocols: dict[str, type[Header]]) -> Packet:
    from pktlab import api

    try:
        return api.packet(bytes_of(hex_text), as_=as_ or "eth", protocols=protocols)
    except ValueError as error:
        raise _misuse(f"--as: {error}".replace("as_ is ", "")) from None


def bytes_of(hex_text: str) -> bytes:
    r"""Return the bytes that ``--hex`` gives: the text itself, of the file behind ``@``, or of standard input.

    >>> bytes_of("45 00")
    b'E\x00'
    """
    if hex_text == "-":
        text = sys.stdin.read()
    elif hex_text.startswith("@"):
        text = Path(hex_text[1:]).read_text(encoding="utf-8", errors="replace")
    else:
        text = hex_text
    try:
        data = read_hex(text)
    except ValueError as error:
        raise _misuse(f"--hex: {error}") from None
    if not data:
        raise _misuse("--hex: there are no bytes in it")
    return data


def _misuse(text: str) -> click.UsageError:
    return click.UsageError(text, click.get_current_context(silent=True))
