"""``pktlab demux``: which socket gets each packet of a capture, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.errors import ending, note
from pktlab_cli.lab import output_folder_option, show_experiment
from pktlab_cli.live import ended_by_signals, interface_option
from pktlab_cli.options import (
    color_option,
    command,
    filter_option,
    json_option,
    packets_of,
    protocol_options,
    salvage_option,
    source_options,
)
from pktlab_cli.printing import JsonArray, Printer, count, escape, json_text, table
from pktlab_cli.progress import watched

if TYPE_CHECKING:
    from pktlab.api import Packet
    from pktlab.demuxing import Demuxed
    from pktlab.flows.receiving import Delivery, ReceivingHost
    from pktlab.flows.sockets import Socket
    from pktlab_cli.options import Condition

__all__ = ["demux"]


@command(
    "demux",
    "pktlab demux pcaps/first-light.pcapng",
    "pktlab demux pcaps/first-light.pcapng --socket udp:0.0.0.0:12000 --socket tcp:0.0.0.0:12000 -V",
    "pktlab demux pcaps/first-light.pcapng --draw",
    "pktlab demux pcaps/first-light.pcapng -q --plot out.svg",
    "pktlab demux pcaps/first-light.pcapng -T jsonl",
    "pktlab demux pcaps/first-light.pcapng --json",
    "pktlab demux -i lo --seconds 1",
    "pktlab demux --experiment list",
    "pktlab demux --experiment udp-connected -o out",
)
@source_options
@click.option(
    "--socket", "texts", multiple=True, metavar="SOCKET",
    help="One of the host's, in the order of bind: udp:0.0.0.0:53 or tcp:10.0.0.1:80,peer=10.0.0.9:4711.",
)  # fmt: skip
@click.option("--sockets", "listing", metavar="FILE", help="The host's: what ss -tuan printed; here is this machine.")
@click.option("--host", "hosts", multiple=True, metavar="ADDRESS", help="An address of the host. [default: any]")
@click.option("--dev", default="", metavar="INTERFACE", help="Where the packets come in, for sockets bound to one.")
@click.option("-V", "--why", "explain", is_flag=True, help="Why each other socket does not get a packet.")
@click.option("-T", "form", type=click.Choice(("text", "json", "jsonl")), default="text", help="How packets are shown.")
@click.option("-q", "quiet", is_flag=True, help="Show no packets, only the sums.")
@json_option
@click.option("--draw", is_flag=True, help="The picture for a terminal: sockets, and who sends to them.")
@click.option("--plot", "target", metavar="OUT.svg|png", help="Write the picture: clients, sockets, four-tuples.")
@interface_option
@click.option("-c", "limit", type=click.IntRange(min=1), metavar="N", help="With -i: end after N packets.")
@click.option("--seconds", type=click.FloatRange(min=0), metavar="S", help="With -i: end after S seconds.")
@click.option("--experiment", metavar="NAME", help="Instead of a FILE: see it happen with real sockets; or list.")
@output_folder_option
@filter_option
@salvage_option
@protocol_options
@color_option
def demux(
    source: str | None, texts: tuple[str, ...], listing: str | None, hosts: tuple[str, ...], dev: str, explain: bool,
    form: str, quiet: bool, as_json: bool, draw: bool, target: str | None, interface: str | None, limit: int | None,
    seconds: float | None, experiment: str | None, folder: str | None, condition: Condition | None, salvage: bool,
    protocols: dict[str, Any], out: Printer,
) -> int:  # fmt: skip
    """Say for every packet which socket gets it, and by which rule.

    The rules are Linux's: UDP and TCP, connected sockets, wildcards, SO_REUSEADDR, SO_REUSEPORT, multicast, IPv6.
    Without --socket the sockets are inferred from who sends to whom; with -i they are those of this machine.
    """
    why = _contradiction(source, experiment, interface, target, limit is not None or seconds is not None)
    if why is not None:
        raise click.UsageError(why, click.get_current_context())
    if experiment is not None:
        return show_experiment(experiment, folder, out)
    from pktlab.demuxing import Demuxed, check_png

    if target is not None and target.lower().endswith(".png"):
        check_png()
    demuxed = Demuxed(_host(texts, listing, hosts, dev, interface), explain=explain)
    show = _Show(demuxed, form, quiet or as_json, as_json, draw, target, out)
    if interface is not None:
        _show_live(show, interface, condition, limit, seconds, protocols)
        return 0
    with packets_of(source, protocols, condition, salvage=salvage) as capture:
        show(watched(capture, prints=not show.quiet), capture.name)
    return ending(capture.reader)


def _contradiction(
    source: str | None, experiment: str | None, interface: str | None, target: str | None, is_bounded: bool
) -> str | None:
    """Return what does not go together among the options; None if all does."""
    if experiment is not None and (source is not None or interface is not None):
        return "--experiment makes its own packets: name no FILE, and no interface"
    if interface is not None and source is not None:
        return f"{source}, or what comes in on {interface}? Name one of them"
    if interface is None and is_bounded:
        return "-c and --seconds end a live capture: name an interface with -i"
    if target is not None and not target.lower().endswith((".svg", ".png")):
        return "--plot writes SVG, and PNG with Matplotlib: name a file that ends in .svg or .png"
    return None


def _show_live(
    show: _Show, interface: str, condition: Condition | None, limit: int | None, seconds: float | None,
    protocols: dict[str, Any],
) -> None:  # fmt: skip
    """Show where the packets of an interface go, until ctrl-C."""
    from pktlab.live.access import drop_privileges
    from pktlab.live.sniff import Sniffer

    text, bpf = condition or (None, None)
    with Sniffer(
        interface, where=text, bpf=bpf, count=limit, seconds=seconds, promiscuous=False, protocols=protocols
    ) as sniffer:
        drop_privileges()
        sniffer.wire.on_start = lambda: note(f"{interface}: listening")
        show.out.eager = True
        with ended_by_signals(sniffer.stop):
            show(sniffer, interface)
        dropped = sniffer.counters.dropped
    if dropped:
        note(f"{interface}: {count(dropped, 'packet')} came too fast and were not looked at")


@dataclass
class _Show:
    """How what comes of packets is printed and drawn."""

    demuxed: Demuxed
    form: str
    quiet: bool
    as_json: bool
    draw: bool
    target: str | None
    out: Printer

    def __call__(self, packets: Iterable[Packet], name: str) -> None:
        """Print packets as they come, then the sums; draw the picture."""
        done = self.demuxed.read(packets)
        if self.quiet or self.draw:
            for _ in done:
                pass
        else:
            _show(done, self.form, self.out)
        if self.as_json:
            self.out.json({"file": name, **self.demuxed.document()})
        elif self.draw:
            from pktlab.demuxing import tree

            self.out.lines(map(escape, tree(self.demuxed)))
        elif self.form == "text":
            self.out.lines(_sums(self.demuxed, self.out))
        if self.target is not None:
            self._plot(Path(self.target), name)

    def _plot(self, target: Path, name: str) -> None:
        from pktlab.demuxing import png, svg

        if target.suffix.lower() == ".png":
            target.write_bytes(png(self.demuxed, name))
        else:
            target.write_text(svg(self.demuxed, name), encoding="utf-8")


def _host(
    texts: tuple[str, ...], listing: str | None, hosts: tuple[str, ...], dev: str, interface: str | None
) -> ReceivingHost:
    """Return the host that the packets are for: this machine, or one with the sockets that the user named."""
    table = _table(texts, listing)
    if interface is not None and table is None:
        from pktlab.live.own_host import OwnHost

        return OwnHost(interface)
    from pktlab.flows.receiving import ReceivingHost

    return ReceivingHost(table, list(map(_address, hosts)), dev or interface or "")


def _table(texts: tuple[str, ...], listing: str | None) -> Any:
    """Return the table of the sockets that the user named; None if there are none, and they are to be inferred."""
    from pktlab.flows.demux import SocketTable
    from pktlab.flows.sockets import parse_socket

    if not texts and listing is None:
        return None
    listed: list[Socket] = []
    if listing is not None:
        from pktlab.live.sock_diag import programs
        from pktlab.live.socket_list import machine_sockets, parse_ss

        if listing == "here":
            listed = machine_sockets(programs())
        else:
            listed = parse_ss(Path(listing).read_text(encoding="utf-8", errors="replace"), listing)
    return SocketTable([*listed, *map(parse_socket, texts)])


def _address(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no IP address", param_hint="--host") from None


def _show(done: Iterator[tuple[Packet, Delivery | None]], form: str, out: Printer) -> None:
    from pktlab.demuxing import packet_document

    if form == "json":
        with JsonArray(out) as array:
            for packet, delivery in done:
                array.add(packet_document(packet, delivery))
        return
    for packet, delivery in done:
        if form == "jsonl":
            out.line(json_text(packet_document(packet, delivery)))
        elif delivery is not None:
            out.lines(_lines(packet, delivery, out))


def _lines(packet: Packet, delivery: Delivery, out: Printer) -> Iterator[str]:
    match = delivery.match
    style = "quiet" if match is None else "note" if match.socket is not None else "bad"
    said = out.paint(escape(str(delivery)), style)
    yield f"{packet.number:>5}  {delivery.key!s:<50}  {said}"
    for one in match.runners_up if match is not None else ():
        yield f"{'':>9}not {escape(one.socket.name)}: {escape(one.reason)}"


def _sums(demuxed: Demuxed, out: Printer) -> Iterator[str]:
    """Yield a line a socket: what it got, and from how many."""
    rows = [["socket", "packets", "bytes", "peers"]]
    for name, tally in demuxed.sockets.items():
        rows.append([escape(name) or "no socket", f"{tally.packets:,}", f"{tally.length:,}", f"{len(tally.peers):,}"])
    yield ""
    if len(rows) > 1:
        heading, *lines = table(rows, right=(1, 2, 3))
        yield out.paint(heading, "heading")
        yield from lines
    got = sum(tally.packets for name, tally in demuxed.sockets.items() if name)
    yield f"{count(demuxed.packets, 'packet')}: {got:,} for sockets, {demuxed.others:,} neither TCP nor UDP, or waiting"
