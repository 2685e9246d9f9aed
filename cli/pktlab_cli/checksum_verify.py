"""``pktlab checksum verify``: every checksum of a capture judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.errors import FOUND, ending
from pktlab_cli.options import (
    color_option,
    command,
    filter_option,
    json_option,
    packets_of,
    protocol_options,
    salvage_option,
    source_options,
    threads_option,
)
from pktlab_cli.printing import Printer, count, escape, table, wrapped
from pktlab_cli.progress import watched, watched_work

if TYPE_CHECKING:
    from pktlab.health import Health
    from pktlab_cli.options import Condition

__all__ = ["findings_lines", "verdict_table", "verify"]


@command(
    "verify",
    "pktlab checksum verify pcaps/first-light.pcapng",
    "pktlab checksum verify --json pcaps/first-light.pcapng",
    "pktlab checksum verify - < pcaps/first-light.pcapng",
)
@source_options
@click.option("--all", "everything", is_flag=True, help="List absent and unverified checksums too.")
@click.option("--limit", type=click.IntRange(min=0), default=1000, show_default=True, help="List at most N findings.")
@filter_option
@json_option
@salvage_option
@threads_option
@protocol_options
@color_option
def verify(
    source: str | None, everything: bool, limit: int, condition: Condition | None, as_json: bool, salvage: bool,
    threads: int, protocols: dict[str, Any], out: Printer,
) -> int:  # fmt: skip
    """Judge every checksum of a capture, and say what stands behind the verdicts.

    A checksum is good, bad, partial (left to the network card), absent, illegal-zero, unverified or malformed. The
    exit status is 1 if one is bad, illegal-zero or malformed, 3 if the file is damaged.
    """
    from pktlab.api import Capture
    from pktlab.health import Health
    from pktlab.judging import judge_capture

    health = Health(limit, everything=everything)
    with packets_of(source, protocols, condition, salvage=salvage) as capture:
        if isinstance(capture, Capture):
            watched_work(capture, judge_capture(capture, health, threads=threads))
        else:
            for packet in watched(capture):
                health.add(packet)
            health.finish()
        if as_json:
            out.json(health.document(capture.name))
        else:
            out.lines(_report(health, capture.name, out))
    return ending(capture.reader) or (FOUND if health.has_faults else 0)


def _report(health: Health, name: str, out: Printer) -> Iterator[str]:
    quoted = f", {count(health.quoted, 'quoted packet')} not judged" if health.quoted else ""
    yield f"{out.paint(escape(name), 'heading')}: {count(health.packets, 'packet')}{quoted}"
    yield ""
    if health.counts:
        yield from verdict_table(health, out)
        yield ""
    yield from wrapped(health.diagnosis.sentence(), 0)
    if health.findings:
        yield ""
        yield from findings_lines(health.findings, out)
    more = health.findings_total - len(health.findings)
    if more:
        yield f"and {more:,} more; --limit N lists N of them"


def verdict_table(health: Health, out: Printer) -> list[str]:
    """Return the counts as lines, a protocol each; the verdicts that occur are coloured."""
    counts = health.table()
    verdicts = list(next(iter(counts.values())))
    rows = [["", *verdicts]]
    rows += [[protocol, *(f"{number:,}" for number in by_verdict.values())] for protocol, by_verdict in counts.items()]
    heading, *lines = table(rows, right=range(1, len(rows[0])))
    return [
        out.paint(heading, "heading"),
        *(_colored(line, row, verdicts, out) for line, row in zip(lines, rows[1:], strict=True)),
    ]


def _colored(line: str, row: list[str], verdicts: list[str], out: Printer) -> str:
    """Return a line of the table with its numbers coloured: nothing that is 0 draws the eye."""
    if not out.is_colored:
        return line
    at, painted = 0, ""
    for cell, style in zip(row, ["", *verdicts], strict=True):
        stop = line.index(cell, at) + len(cell)
        painted += line[at : stop - len(cell)] + out.paint(cell, "quiet" if cell == "0" else style)
        at = stop
    return painted


def findings_lines(findings: list[dict[str, Any]], out: Printer) -> Iterator[str]:
    r"""Yield the findings, a line or two each: where, what, and why.

    >>> one = {"frame.number": 7, "protocol": "udp", "verdict": "absent", "offset": 40, "found": 0, "expected": None}
    >>> print("\n".join(findings_lines([one | {"cause": "", "note": "the sender took none"}], Printer("never"))))
    frame 7  udp     absent        byte 40     found 0x0000
             the sender took none
    """
    width = max(len(str(finding["frame.number"])) for finding in findings)
    for finding in findings:
        place = f"byte {finding['offset']}" if finding["offset"] >= 0 else ""
        verdict = out.paint(f"{finding['verdict']:<12}", finding["verdict"])
        values = "" if finding["found"] is None else f"  found {finding['found']:#06x}"
        values += "" if finding["expected"] is None else f", should be {finding['expected']:#06x}"
        line = f"frame {finding['frame.number']:>{width}}  {finding['protocol']:<6}  {verdict}  {place:<10}{values}"
        yield line.rstrip()
        reason = "; ".join(filter(None, (finding["cause"], finding["note"])))
        if reason:
            yield from wrapped(escape(reason), 8 + width)
