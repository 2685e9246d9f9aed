"""``pktlab sniff``: packets off the wire, as lines or into a file."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.dissect import shower
from pktlab_cli.errors import note, tell_what_is_logged
from pktlab_cli.fields import put_octets, takes_octets
from pktlab_cli.live import ended_by_signals, interface_option, known_interfaces, summed_up
from pktlab_cli.options import Condition, color_option, command, filter_option, protocol_options
from pktlab_cli.printing import Printer, count
from pktlab_cli.written import Form, form_option, target_option

if TYPE_CHECKING:
    from pktlab.columns.filters import Filter
    from pktlab.live.sniff import Sniffer

__all__ = ["sniff"]


@command(
    "sniff",
    "pktlab sniff -i lo --seconds 1",
    "pktlab sniff -i lo -f 'udp port 53' -c 10 --seconds 1 -V",
    "pktlab sniff -i lo -Y 'udp.checksum.verdict == bad' --seconds 1",
    "pktlab sniff -i lo -w out.pcapng --seconds 1",
    "pktlab sniff -i lo -w - --seconds 1 | pktlab dissect - -T jsonl",
)
@interface_option
@filter_option
@click.option("-c", "limit", type=click.IntRange(min=1), metavar="N", help="End after N packets.")
@click.option("--seconds", type=click.FloatRange(min=0), metavar="S", help="End after S seconds.")
@click.option(
    "-s", "snaplen", type=click.IntRange(0, 262_144), default=0, metavar="LEN", help="Keep LEN bytes of each."
)
@click.option("-p", "own_only", is_flag=True, help="Only what is for this machine: no promiscuous mode.")
@click.option("-V", "--tree", "wants_tree", is_flag=True, help="A tree for each packet.")
@click.option("-x", "--hexdump", "wants_hex", is_flag=True, help="The bytes too: beside the tree, or below the line.")
@click.option("-T", "form", type=click.Choice(("text", "tree", "json", "jsonl")), help="How packets are shown.")
@click.option("-e", "names", multiple=True, metavar="FIELD", help="This field only, in JSON; may be repeated.")
@target_option
@form_option
@click.option("-q", "quiet", is_flag=True, help="Print no packets.")
@click.option("-l", "-n", "usual", is_flag=True, expose_value=False, help="As it is anyway: a line at once, no names.")
@protocol_options
@color_option
def sniff(
    interface: str | None, condition: Condition | None, limit: int | None, seconds: float | None, snaplen: int,
    own_only: bool, wants_tree: bool, wants_hex: bool, form: str | None, names: tuple[str, ...], target: str | None,
    file_form: Form | None, quiet: bool, protocols: dict[str, Any], out: Printer,
) -> int:  # fmt: skip
    """Show the packets of a network interface as they come, or write them to a file.

    A line says who sent what to whom, and each checksum that is not plainly good; one that was left to the network card
    is known from the kernel. With -w and without -Y packets go straight from the kernel's memory into the file.
    Ctrl-C ends it; how many packets there were stands on standard error.
    """
    shown = form or ("tree" if wants_tree else "json" if names else None)
    prints = not quiet and (target is None or shown is not None or wants_hex)
    if why := _contradiction(interface, shown, names, target, prints=prints):
        raise click.UsageError(why, click.get_current_context())
    if names:
        from pktlab_cli.catalog import check_fields

        check_fields(names, protocols.values())
    from pktlab.columns.filters import compile_filter
    from pktlab.live.access import drop_privileges
    from pktlab.live.sniff import Sniffer

    tell_what_is_logged()
    text, bpf = condition or (None, None)
    in_bulk = prints and shown in (None, "text") and not wants_hex and target is None and takes_octets(out)
    in_bulk = in_bulk and (text is None or limit is None)
    chosen = None if text is None else compile_filter(text, protocols)
    with Sniffer(
        interface or "", where=None if in_bulk else chosen, bpf=bpf, count=limit, seconds=seconds, snaplen=snaplen,
        promiscuous=not own_only, protocols=protocols,
    ) as sniffer:  # fmt: skip
        if in_bulk or (target is not None and not prints):
            sniffer.prepare()
        drop_privileges()
        sniffer.wire.on_start = lambda: note(f"{interface}: listening")
        with contextlib.ExitStack() as stack:
            stack.enter_context(summed_up(lambda: _sum_up(sniffer), lambda: sniffer.wire.is_started))
            stack.enter_context(ended_by_signals(sniffer.stop))
            out.eager = True
            if in_bulk:
                _put_lines(sniffer, chosen, protocols, out)
            elif prints:
                show = shower(shown or "text", names, False, wants_hex, out, stack, sniffer)
                writer = None if target is None else stack.enter_context(sniffer.opened(target, file_form))
                for packet in sniffer:
                    if writer is not None:
                        writer.write(packet.record)
                    show(packet)
                sniffer.end()
            elif target is not None:
                sniffer.write(target, format=file_form)
            else:
                for _ in sniffer:
                    pass
    return 0


def _put_lines(sniffer: Sniffer, chosen: Filter | None, protocols: dict[str, Any], out: Printer) -> None:
    """Print a line for each packet that passes, as many a second as from a file."""
    from pktlab.lines import Lines
    from pktlab.live.stream import Stream

    with Stream(sniffer, protocols) as capture:
        shown = 0
        for octets in Lines(capture if chosen is None else capture.where(chosen)):
            put_octets(octets, out)
            shown += octets.count(b"\n")
    sniffer.captured = shown


def _contradiction(
    interface: str | None, form: str | None, names: tuple[str, ...], target: str | None, *, prints: bool
) -> str | None:
    """Return what does not go together among the options; None if all does."""
    if interface is None:
        return f"which interface? Give -i NAME, of {known_interfaces()}"
    if names and form not in ("json", "jsonl"):
        return "-e chooses fields of -T json and -T jsonl"
    if target == "-" and prints:
        return "-w - takes standard output: print nothing else there"
    return None


def _sum_up(sniffer: Sniffer) -> None:
    received, dropped = sniffer.counters
    name, captured = sniffer.link.name, count(sniffer.captured, "packet")
    note(f"{name}: {captured} captured, {received:,} received, {dropped:,} dropped")
