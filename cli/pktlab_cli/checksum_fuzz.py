"""``pktlab checksum fuzz``: the smallest packet on which an implementation is wrong."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pktlab_cli.errors import FOUND, note
from pktlab_cli.options import color_option, command, json_option
from pktlab_cli.printing import Printer, escape, wrapped

if TYPE_CHECKING:
    from pktlab.testing.conformance.report import Report
    from pktlab.testing.conformance.run import Watch

__all__ = ["fuzz"]


@command(
    "fuzz",
    "pktlab checksum fuzz pktlab.sums:checksum --max-examples 2000",
    "pktlab checksum fuzz pktlab.wire.checksum:update --kind update --max-examples 2000",
    "pktlab checksum fuzz --mistakes --kind udp4",
)
@click.argument("target", required=False)
@click.option("--kind", default="internet", metavar="KIND", help="What TARGET computes, of those above.  [internet]")
@click.option("--seed", type=int, default=0, metavar="N", help="Of the drawn examples; the same one repeats the run.")
@click.option(
    "--max-examples", type=click.IntRange(min=1), default=100_000, metavar="N", help="Be content after N.  [100000]"
)
@click.option(
    "--max-seconds", type=click.FloatRange(min=0), default=60.0, metavar="S", help="Be content after S.  [60]"
)
@click.option(
    "-w", "--write", "path", metavar="OUT", help="Capture for the counter-example.  [pktlab-fuzz-KIND.pcapng]"
)
@click.option("--mistakes", is_flag=True, help="List the known mistakes of a kind, and what is none.")
@json_option
@color_option
def fuzz(
    target: str | None, kind: str, seed: int, max_examples: int, max_seconds: float, path: str | None, mistakes: bool,
    as_json: bool, out: Printer,
) -> int:  # fmt: skip
    """Find the smallest input on which a checksum is wrong.

    TARGET is MODULE:FUNCTION (modules in the current directory are found), LIBRARY.so:FUNCTION, or a program, in
    quotes with its arguments, that answers each line of standard input with one line.

    Kinds: internet (given data), ipv4 (a header), udp4 udp6 tcp4 tcp6 icmp icmpv6 (an IP packet), eth (a frame),
    update (old checksum, old bytes, new bytes), and verify-KIND for all but the last. The checksum field is zero; for
    verify-KIND it is filled in.

    Python: bytes in, int out (verify: bool; update: int, bytes, bytes in). C: uint16_t f(const uint8_t *p, size_t n);
    verify: int f(p, n); update: uint16_t f(uint16_t old, const uint8_t *a, size_t na, const uint8_t *b, size_t nb).
    Program: a hex line in, four hex digits out; verify: 0 or 1 out; update: three hex words in, an empty one is a
    dash.

    Status 0 if it survived, 1 if it is wrong.
    """
    from pktlab.testing.conformance.run import fuzz as run_fuzz
    from pktlab.testing.conformance.run import kind_of
    from pktlab.testing.conformance.targets import open_target

    try:
        which = kind_of(kind)
    except ValueError as error:
        raise click.UsageError(f"--kind: {error}", click.get_current_context()) from None
    if mistakes:
        out.lines(_mistakes(kind))
        return 0
    if target is None:
        raise click.UsageError(
            "name a TARGET: MODULE:FUNCTION, LIBRARY.so:FUNCTION or a program", click.get_current_context()
        )
    with _progress(max_examples) as watch:
        report = run_fuzz(
            open_target(target, which), which, seed=seed, max_examples=max_examples, max_seconds=max_seconds,
            watch=watch,
        )  # fmt: skip
    return _told(report, path or f"pktlab-fuzz-{kind}.pcapng", max_examples, as_json, out)


def _told(report: Report, path: str, max_examples: int, as_json: bool, out: Printer) -> int:
    """Print the report, write the capture, and return the status."""
    if not report.survived:
        report.write(path)
    if as_json:
        out.json({**report.document(), "capture": None if report.survived else path})
    else:
        out.lines(escape(line) for line in report.lines())
    if report.survived:
        if report.tried < max_examples:
            note(f"time was up after {report.tried:,} of {max_examples:,} examples; --max-seconds allows more")
        return 0
    if not as_json:
        out.line(f"capture      {escape(path)}")
    return FOUND


def _mistakes(kind: str) -> Iterator[str]:
    from pktlab.testing.conformance.mistakes import EQUIVALENT, mistakes_of
    from pktlab.testing.conformance.run import kind_of

    yield f"mistakes that are known by their answers ({kind}):"
    for text in dict.fromkeys(one.text for one in mistakes_of(kind_of(kind))):
        yield from wrapped(text, 2)
    yield "no mistakes, since no legal packet shows them:"
    for what, why in EQUIVALENT.items():
        yield from wrapped(f"{what}: {why}", 2)


@contextmanager
def _progress(most: int) -> Iterator[Watch]:
    """Yield what shows on a terminal how many examples were tried, once that takes more than a second."""
    since = time.monotonic()
    shown = False

    def watch(tried: int) -> None:
        nonlocal shown
        if sys.stderr.isatty() and time.monotonic() - since > 1:
            shown = True
            sys.stderr.write(f"\r{tried:,} of {most:,} examples")
            sys.stderr.flush()

    try:
        yield watch
    finally:
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
