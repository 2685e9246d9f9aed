"""``pktlab send``: packets onto the wire, and their answers."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.craft import checksum_option, from_json
from pktlab_cli.dissect import show_tree
from pktlab_cli.errors import note
from pktlab_cli.live import interface_option, pace_options, summed_up, yes_option
from pktlab_cli.options import color_option, command, protocol_options
from pktlab_cli.printing import Printer, count

if TYPE_CHECKING:
    from pktlab.live.send import Exchange, Sending

__all__ = ["send"]


@command(
    "send",
    "pktlab send 'IP(dst=\"127.0.0.1\")/ICMP(id=1)' --wait 1",
    'pktlab send \'IP(dst="127.0.0.1")/UDP(dport=(5000, 5003))/b"hi"\' --wait 1 -V',
    "pktlab send 'Ether()/IP(dst=\"127.0.0.1\")/UDP(dport=53)' -i lo -c 5 --interval 0.1",
    "pktlab send 'IP(dst=\"127.0.0.1\")/UDP(dport=53)' --checksum bad",
    "pktlab dissect pcaps/first-light.pcapng -Y 'udp.port == 12000' -T json | pktlab send - -i lo",
)
@click.argument("expression", metavar="EXPR")
@interface_option
@click.option("-c", "--count", "times", type=click.IntRange(min=1), default=1, metavar="N", help="Send all N times.")
@pace_options
@click.option(
    "--wait", "wait_s", type=click.FloatRange(min=0), metavar="S", help="Show answers; S seconds for the last."
)
@checksum_option
@click.option("--seed", type=int, metavar="N", help="Where the dice of RandShort() and the like start.")
@click.option("-V", "--tree", "wants_tree", is_flag=True, help="Answers as trees.")
@click.option("-q", "quiet", is_flag=True, help="Print no answers.")
@yes_option
@protocol_options
@color_option
def send(
    expression: str, interface: str | None, times: int, pps: float | None, wait_s: float | None,
    wish: str | int | None, seed: int | None, wants_tree: bool, quiet: bool, yes: bool, protocols: dict[str, Any],
    out: Printer,
) -> int:  # fmt: skip
    """Send packets, and show their answers.

    EXPR is Scapy's notation, as for craft; if it is -, packets are read from standard input as dissect -T json prints
    them. What is not given is found out: the source address, the interface, the MAC addresses, what a name stands for.
    What may reach other people's machines wants --yes, and is limited to 100 packets a second if no --pps is given.
    """
    from pktlab.live.access import drop_privileges
    from pktlab.live.send import Sending

    what = list(from_json(protocols, False)) if expression == "-" else expression
    with contextlib.ExitStack() as stack:
        sending = stack.enter_context(
            Sending(
                what, interface, count=times, pps=pps, wait_s=wait_s, yes=yes, checksum=wish, seed=seed,
                protocols=protocols,
            )
        )  # fmt: skip
        drop_privileges()
        if sending.permit.is_foreign:
            note(f"sending {sending.permit}")
        stack.enter_context(summed_up(lambda: _sum_up(sending, wait_s is not None), lambda: sending.sent))
        out.eager = True
        first_ns = None
        for exchange in sending:
            first_ns = first_ns or exchange.sent.time_ns
            if wait_s is not None and not quiet:
                _show(exchange, first_ns, wants_tree, out)
    return 0


def _show(exchange: Exchange, first_ns: int | None, wants_tree: bool, out: Printer) -> None:
    """Print a packet and its answer; times count from the first packet, and both have the number of the former."""
    sent, answer = exchange
    if answer is None:
        out.line(out.paint(f"{sent.line(first_ns)}  (no answer)", "quiet"))
        return
    out.line(sent.line(first_ns))
    answer = answer.with_record(replace(answer.record, number=sent.number))
    if wants_tree:
        show_tree(answer, False, False, out)
    else:
        out.line(out.paint(answer.line(first_ns), "note"))


def _sum_up(sending: Sending, waits: bool) -> None:
    answered = f", {sending.answered:,} answered" if waits else ""
    note(f"{sending.link.name}: {count(sending.sent, 'packet')} sent, {count(sending.sent_len, 'byte')}{answered}")
