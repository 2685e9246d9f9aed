"""``pktlab craft``: packets from a line in Scapy's notation, or from the JSON that ``dissect`` prints."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.errors import note
from pktlab_cli.options import color_option, command, protocol_options
from pktlab_cli.printing import Printer
from pktlab_cli.written import Form, form_option, target_option

if TYPE_CHECKING:
    from pktlab.api import Packet

__all__ = ["checksum_option", "craft", "from_json"]

Show = Callable[["Packet"], None]
WISHES = ("good", "bad", "zero", "partial")


def _wish(ctx: click.Context, _: click.Parameter, value: str | None) -> str | int | None:
    """Return a checksum as it was asked for: a word, or the value itself."""
    if value is None or value in WISHES:
        return value
    try:
        return int(value, 0)
    except ValueError:
        raise click.UsageError(
            f"--checksum {value!r} is none of {', '.join(WISHES)}, and no number such as 0x1234", ctx
        ) from None


checksum_option = click.option(
    "--checksum", "wish", callback=_wish, metavar="WISH",
    help="Of the innermost transport header: good, bad, zero, partial, or a value: 0x1234.",
)  # fmt: skip


@command(
    "craft",
    'pktlab craft \'IP(dst="127.0.0.1")/UDP(dport=53)/DNS(qd=DNSQR(qname="example.org"))\'',
    "pktlab craft 'Ether()/IP(dst=\"192.0.2.1\", ttl=(1, 4))/ICMP()' --hex",
    'pktlab craft \'IP(dst="192.0.2.1")/TCP(flags="S", sport=RandShort())\' --seed 7 --python',
    "pktlab craft 'IP()/UDP()/(b\"x\"*100)' --checksum bad -w out",
    "pktlab craft 'IP()/UDP()/b\"abcd\"' --mutate -w out",
    "pktlab dissect pcaps/first-light.pcapng -T json | pktlab craft - -w out",
)
@click.argument("expression", metavar="EXPR")
@click.option("--hex", "form", flag_value="hex", help="Print the bytes as hex, a line a packet.")
@click.option("--python", "form", flag_value="python", help="Print the bytes as Python.")
@click.option("--c", "form", flag_value="c", help="Print the bytes as C.")
@target_option
@form_option
@checksum_option
@click.option("--mutate", is_flag=True, help="Near misses of each packet too: in each one thing is off.")
@click.option("--seed", type=int, metavar="N", help="Where the dice of RandShort() and the like start.")
@click.option("--fix", is_flag=True, help="Of packets from JSON: put lengths and checksums right.")
@protocol_options
@color_option
def craft(
    expression: str, form: str | None, target: str | None, file_form: Form | None, wish: str | int | None,
    mutate: bool, seed: int | None, fix: bool, protocols: dict[str, Any], out: Printer,
) -> int:  # fmt: skip
    """Make packets from a line of text, or from JSON.

    EXPR is Scapy's notation, read and never run: layers, their fields, literals. A list, a range (1, 4) or a network
    makes several packets. If it is -, packets are read from standard input as dissect -T json prints them, edited or
    not. Nothing is sent, and neither the machine nor the network is asked; what is not given is a constant.
    """
    if fix and expression != "-":
        raise click.UsageError("--fix is about packets from JSON; an expression fills them in", _context())
    if seed is not None and expression == "-":
        raise click.UsageError("--seed is about expressions; JSON holds nothing random", _context())
    if target == "-" and form is not None:
        raise click.UsageError("-w - takes standard output: print nothing else there", _context())
    packets = from_json(protocols, fix) if expression == "-" else _from_text(expression, seed, protocols)
    if wish is not None:
        packets = _with_checksum(packets, wish)
    if mutate:
        packets = _with_near_misses(packets)
    with contextlib.ExitStack() as stack:
        shows = [] if target is not None and form is None else [_show(form or "tree", out)]
        if target is not None:
            shows.append(_writer(target, file_form, stack, is_new=expression != "-"))
        for packet in packets:
            for show in shows:
                show(packet)
    return 0


def _context() -> click.Context:
    return click.get_current_context()


# ---- where packets come from


def _from_text(expression: str, seed: int | None, protocols: dict[str, Any]) -> list[Packet]:
    """Return the packets of an expression: all or none, since the last may be wrong."""
    from pktlab.wire.notation import read_expression

    read = read_expression(expression)
    from pktlab.live.craft import crafted

    return list(crafted(read, seed=seed, protocols=protocols))


def from_json(protocols: dict[str, Any], fix: bool) -> Iterator[Packet]:
    """Return the packets that standard input describes as ``dissect -T json`` prints them."""
    from pktlab.documents import packets_from_json

    text = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
    return packets_from_json(text, protocols=protocols, fix=fix)


def _with_checksum(packets: Iterable[Packet], wish: str | int) -> Iterator[Packet]:
    from pktlab.spoil import with_checksum

    return (with_checksum(packet, wish) for packet in packets)


def _with_near_misses(packets: Iterable[Packet]) -> Iterator[Packet]:
    """Yield each packet and its near misses, numbered as they come."""
    from pktlab.spoil import near_misses

    number = 0
    for packet in packets:
        for one in (packet, *near_misses(packet)):
            number += 1
            yield one.with_record(dataclasses.replace(one.record, number=number))


# ---- where they go


def _show(form: str, out: Printer) -> Show:
    if form == "tree":
        from pktlab_cli.dissect import show_tree

        return lambda packet: show_tree(packet, False, True, out)
    text = {"hex": _hex, "python": _python, "c": _c}[form]
    return lambda packet: out.line(text(packet))


def _hex(packet: Packet) -> str:
    return packet.data.hex()


def _python(packet: Packet) -> str:
    """Return an assignment in Python, after a comment that says what it is."""
    lines = [f'    "{packet.data[at : at + 32].hex()}"' for at in range(0, len(packet.data), 32)]
    return "\n".join([f"# {_title(packet)}", f"packet_{packet.number} = bytes.fromhex(", *lines, ")"])


def _c(packet: Packet) -> str:
    """Return an array in C, after a comment that says what it is."""
    data = packet.data
    rows = [" ".join(f"0x{byte:02x}," for byte in data[at : at + 12]) for at in range(0, len(data), 12)]
    head = f"static const unsigned char packet_{packet.number}[{len(data)}] = {{"
    title = _title(packet).replace("*/", "* /").replace("\\", "/")
    return "\n".join([f"/* {title} */", head, *(f"    {row}" for row in rows), "};"])


def _title(packet: Packet) -> str:
    """Return the packet in a line, in letters that every compiler takes."""
    from pktlab_cli.printing import escape

    comment = f" ({packet.comments[-1]})" if packet.comments else ""
    said = packet.line().split(maxsplit=2)[-1].replace("→", "->")
    return f"{escape(said)}{comment}".encode("ascii", "replace").decode()


def _writer(target: str, form: Form | None, stack: contextlib.ExitStack, *, is_new: bool) -> Show:
    """Return what writes a packet; one that is new was never captured, and gets the time 0."""
    from pktlab.alone import NO_LINK_TYPE
    from pktlab.capture import open_writer

    writer = stack.enter_context(open_writer(target, format=form))

    def write(packet: Packet) -> None:
        record = packet.record
        if is_new and record.link_type == NO_LINK_TYPE:
            note(f"packet {record.number} starts with no link layer: written with link type {NO_LINK_TYPE}, for users")
        writer.write(dataclasses.replace(record, time_ns=0) if is_new else record)

    return write
