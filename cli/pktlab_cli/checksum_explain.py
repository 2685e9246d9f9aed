"""``pktlab checksum explain``: how a checksum comes about, word by word."""

from __future__ import annotations

from typing import Any

import click

from pktlab_cli.options import (
    color_option,
    command,
    one_packet,
    packet_options,
    protocol_options,
    salvage_option,
    source_options,
)
from pktlab_cli.printing import Printer, escape

__all__ = ["explain"]


@command(
    "explain",
    "pktlab checksum explain pcaps/first-light.pcapng --frame 28 --protocol udp",
    "pktlab checksum explain --as ip --hex 4500001c00000000401166cd0a0000010a0000020001000200080000",
)
@source_options
@packet_options
@click.option("--protocol", "--layer", "protocol", metavar="NAME", help="That checksum only: ip, udp, tcp, icmp …")
@salvage_option
@protocol_options
@color_option
def explain(
    source: str | None, frame: int | None, hex_text: str | None, as_: str | None, protocol: str | None,
    salvage: bool, protocols: dict[str, Any], out: Printer,
) -> None:  # fmt: skip
    """Show how the checksums of one packet come about: the pseudo-header, the words, the carries, the verdict."""
    packet = one_packet(source, frame, hex_text, as_, protocols, salvage=salvage)
    known = list(dict.fromkeys(one.protocol for one in (*packet.judgements, *packet.whole_judgements)))
    if protocol is not None and protocol not in known:
        has = f"it has those of {', '.join(known)}" if known else "it has none at all"
        raise click.ClickException(f"packet {packet.number} has no {protocol} checksum; {has}")
    for line in packet.explain(protocol).splitlines():
        text = escape(line)
        word = text.removeprefix("verdict: ").partition(":")[0] if text.startswith("verdict: ") else ""
        heading = "heading" if " checksum of layer " in text and not text.startswith(" ") else word
        out.line(out.paint(text, heading))
