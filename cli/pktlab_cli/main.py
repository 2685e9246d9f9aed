"""The table of commands, and the door: `main`.

Each command is a module and a function, imported when the command runs or its own help is asked for. So
``pktlab --help`` loads Click and this table.
"""

from __future__ import annotations

import gc
import os
import sys

import click

from pktlab_cli.errors import run
from pktlab_cli.groups import LazyGroup

__all__ = ["cli", "main"]

COLLECT_AFTER = 20_000
"""Objects that are made before cycles are looked for: what a start makes stays, and looking took a tenth of it."""


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        import pktlab

        click.echo(f"pktlab {pktlab.__version__}")
        ctx.exit()


_CHECKSUM = LazyGroup(
    "checksum",
    help="Internet checksums: judged, explained, put right, tried out, computed.",
    examples=(
        "pktlab checksum verify pcaps/first-light.pcapng",
        "pktlab checksum explain pcaps/first-light.pcapng --frame 28",
    ),
    lazy={
        "verify": ("pktlab_cli.checksum_verify:verify", "Judge every checksum of a capture."),
        "explain": ("pktlab_cli.checksum_explain:explain", "Show a checksum word by word."),
        "fix": ("pktlab_cli.checksum_fix:fix", "Put checksums right, and touch nothing else."),
        "flip": ("pktlab_cli.checksum_flip:flip", "Break a bit, and see who notices."),
        "compute": ("pktlab_cli.checksum_compute:compute", "Compute the checksum of bytes."),
        "errors": ("pktlab_cli.checksum_errors:errors", "Count the errors that a checksum cannot see."),
        "fuzz": ("pktlab_cli.checksum_fuzz:fuzz", "Find the smallest input on which an implementation is wrong."),
    },
)
_SCHEMA = LazyGroup(
    "schema",
    help="What a protocol's header looks like.",
    examples=("pktlab schema list", "pktlab schema show udp"),
    lazy={
        "list": ("pktlab_cli.schema_list:list_schemas", "List the protocols that are known."),
        "show": ("pktlab_cli.schema_show:show", "Draw a header and list its fields."),
    },
)
_ECHO = LazyGroup(
    "echo",
    help="The lecture's programs with sockets, as they have to be: a line there, the same in capitals back.",
    examples=("pktlab echo tcp-client --with-server --trace hello",),
    lazy={
        "udp-server": ("pktlab_cli.echo:udp_server", "Answer datagrams."),
        "udp-client": ("pktlab_cli.echo:udp_client", "Ask with datagrams."),
        "tcp-server": ("pktlab_cli.echo:tcp_server", "Answer connections."),
        "tcp-client": ("pktlab_cli.echo:tcp_client", "Ask over a connection."),
    },
)
_LAB = LazyGroup(
    "lab",
    help="Experiments with real sockets in a sandbox, each with a capture, a picture and checks.",
    examples=("pktlab lab list", "pktlab lab run tcp-connection-sockets -o out"),
    lazy={
        "list": ("pktlab_cli.lab:list_labs", "List the experiments."),
        "run": ("pktlab_cli.lab:run_lab", "Carry out an experiment."),
    },
)
_BT = LazyGroup(
    "bt",
    help="BitTorrent: what the peers of a swarm tell each other, and what comes of it.",
    examples=("pktlab bt swarm pcaps/swarms/tcp.pcap.zst", "pktlab bt choking pcaps/swarms/trading.pcap.zst -q"),
    lazy={
        "dissect": ("pktlab_cli.bt_dissect:dissect", "What peers say, message by message."),
        "swarm": ("pktlab_cli.bt_swarm:swarm", "Who has which pieces, who gives whom how much."),
        "choking": ("pktlab_cli.bt_choking:choking", "Whom each peer chokes, and whether tit-for-tat holds."),
        "extract": ("pktlab_cli.bt_extract:extract", "Put the shared files together, and check them."),
        "rarest": ("pktlab_cli.bt_rarest:rarest", "Whether the rarest pieces are asked for first."),
    },
)
cli = LazyGroup(
    "pktlab",
    help="A packet-level protocol toolkit: dissect captures, judge and explain checksums, draw headers.",
    examples=(
        "pktlab info pcaps/first-light.pcapng",
        "pktlab dissect pcaps/first-light.pcapng",
        "pktlab checksum explain pcaps/first-light.pcapng --frame 28",
    ),
    lazy={
        "info": ("pktlab_cli.info:info", "What kind of file, what is in it, its health."),
        "dissect": ("pktlab_cli.dissect:dissect", "Show packets: a line each, a tree, JSON."),
        "flows": ("pktlab_cli.flows:flows", "The conversations: who with whom, how much, how long."),
        "follow": ("pktlab_cli.follow:follow", "What streams of TCP and uTP carried: print or save it."),
        "craft": ("pktlab_cli.craft:craft", "Make packets from a line of text, or from JSON."),
        "send": ("pktlab_cli.send:send", "Put packets on the wire, and show their answers."),
        "sniff": ("pktlab_cli.sniff:sniff", "Show or write what comes over a network interface."),
        "replay": ("pktlab_cli.replay:replay", "Send a capture again, at its times."),
        "query": ("pktlab_cli.query:query", "Ask captures in SQL."),
        "export": ("pktlab_cli.export:export", "Write columns to Parquet or Arrow."),
        "checksum": (_CHECKSUM, "Judge, explain, fix, break and compute checksums."),
        "bt": (_BT, "BitTorrent swarms: pieces, transfers, tit-for-tat."),
        "demux": ("pktlab_cli.demux:demux", "Say which socket gets each packet, and why."),
        "echo": (_ECHO, "A client and a server, and what goes between them."),
        "lab": (_LAB, "Try it out: experiments with real sockets."),
        "schema": (_SCHEMA, "Draw the headers of protocols."),
        "doctor": ("pktlab_cli.doctor:doctor", "What this machine allows, and how to allow more."),
        "completion": ("pktlab_cli.completion:completion", "Print the completion script of a shell."),
    },
    params=[
        click.Option(
            ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
            help="Show the version and exit.",
        )
    ],
)  # fmt: skip


def main() -> None:
    """Run the command line and exit with its status."""
    gc.set_threshold(COLLECT_AFTER)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy would start threads that nothing here needs
    sys.exit(run(cli, sys.argv[1:]))
