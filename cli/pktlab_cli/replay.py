"""``pktlab replay``: a capture onto the wire again."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.errors import ending, note, tell_what_is_logged
from pktlab_cli.live import interface_option, known_interfaces, summed_up, yes_option
from pktlab_cli.options import Condition, command, filter_option, protocol_options, source_options
from pktlab_cli.printing import count

if TYPE_CHECKING:
    from pktlab.live.replay import Replay

__all__ = ["replay"]


def _rewrites(ctx: click.Context, _: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    from pktlab.rewriting import Rewriter, parse_rewrites

    try:
        found = parse_rewrites(texts)
        Rewriter(found)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param_hint="--rewrite") from None
    return found


@command(
    "replay",
    "pktlab replay pcaps/first-light.pcapng -i lo --speed 10",
    "pktlab replay pcaps/first-light.pcapng -i lo --pps 1000 --loop 3 -Y 'udp.port == 53'",
    "pktlab replay pcaps/first-light.pcapng -i lo --topspeed --rewrite 192.0.2.0/24=198.51.100.0/24",
    "pktlab craft 'Ether()/IP(dst=\"192.0.2.1\")/UDP()' --mutate -w - | pktlab replay - -i lo --topspeed",
)
@source_options
@interface_option
@click.option("--speed", type=click.FloatRange(min=0, min_open=True), metavar="X", help="X times as fast as captured.")
@click.option("--pps", type=click.FloatRange(min=0, min_open=True), metavar="N", help="N packets a second instead.")
@click.option("--topspeed", "-t", is_flag=True, help="As fast as it goes instead.")
@click.option("--loop", type=click.IntRange(min=0), default=1, metavar="N", help="N times; 0 until ctrl-C.")
@click.option(
    "--rewrite", "rewrite", multiple=True, metavar="OLD=NEW", callback=_rewrites,
    help="Another IP or MAC address, or network: 10.0.0.1=10.9.0.1. Sums follow.",
)  # fmt: skip
@click.option("--fix", is_flag=True, help="Put checksums right that are bad, partial, or must not be zero.")
@filter_option
@yes_option
@protocol_options
def replay(
    source: str | None, interface: str | None, speed: float | None, pps: float | None, topspeed: bool, loop: int,
    rewrite: dict[str, str], fix: bool, condition: Condition | None, yes: bool, protocols: dict[str, Any],
) -> int:  # fmt: skip
    """Send the packets of a capture, at their times.

    Bytes stay as they are, bad checksums too, unless --rewrite or --fix says otherwise. What does not suit the
    interface is left out and counted. What may reach other people's machines wants --yes, and is limited to 100 packets
    a second if no --pps is given.
    """
    if why := _contradiction(source, interface, speed, pps, topspeed):
        raise click.UsageError(why, click.get_current_context())
    from pktlab.live.access import drop_privileges
    from pktlab.live.replay import Replay

    tell_what_is_logged()
    text, bpf = condition or (None, None)
    with contextlib.ExitStack() as stack:
        replaying = stack.enter_context(
            Replay(
                source or "", interface or "", speed=speed or 1.0, pps=pps, topspeed=topspeed, loop=loop,
                rewrite=rewrite, fix=fix, where=text, bpf=bpf, yes=yes, protocols=protocols,
            )
        )  # fmt: skip
        drop_privileges()
        if replaying.permit.is_foreign:
            note(f"sending {replaying.permit}")
        stack.enter_context(summed_up(lambda: _sum_up(replaying), lambda: replaying.done.sent))
        for _ in replaying:
            pass
        return ending(replaying.capture.reader)


def _contradiction(
    source: str | None, interface: str | None, speed: float | None, pps: float | None, topspeed: bool
) -> str | None:
    """Return what does not go together among the options; None if all does."""
    if source is None:
        return "name a capture FILE, or - for standard input"
    if interface is None:
        return f"which interface? Give -i NAME, of {known_interfaces()}"
    if (speed is not None) + (pps is not None) + topspeed > 1:
        return "give --speed, --pps or --topspeed"
    return None


def _sum_up(replaying: Replay) -> None:
    done = replaying.done
    left = "".join(f", {number:,} left out: {why}" for why, number in sorted(done.left.items()))
    note(f"{replaying.link.name}: {count(done.sent, 'packet')} sent, {count(done.sent_len, 'byte')}{left}")
