"""``pktlab info``: what kind of file, what is in it, its health."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pktlab.errors import CaptureError
from pktlab_cli.checksum_verify import verdict_table
from pktlab_cli.errors import ending, tell
from pktlab_cli.options import (
    color_option,
    command,
    filter_option,
    json_option,
    packets_of,
    protocol_options,
    salvage_option,
)
from pktlab_cli.printing import Printer, escape, table, wrapped
from pktlab_cli.progress import watched_work

if TYPE_CHECKING:
    from pktlab.capture import CaptureReader, Merged
    from pktlab.summary import Summary
    from pktlab_cli.options import Condition

__all__ = ["info"]


@command(
    "info",
    "pktlab info pcaps/first-light.pcapng",
    "pktlab info --json pcaps/first-light.pcapng",
    "pktlab info -Y 'udp.port == 12000' pcaps/first-light.pcapng",
    "pktlab info - < pcaps/first-light.pcapng",
)
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("-r", "--read", "more_files", multiple=True, metavar="FILE", help="Read FILE, the same as naming it.")
@filter_option
@json_option
@salvage_option
@protocol_options
@color_option
def info(
    files: tuple[str, ...], more_files: tuple[str, ...], condition: Condition | None, as_json: bool, salvage: bool,
    protocols: dict[str, Any], out: Printer,
) -> int:  # fmt: skip
    """Say what kind of file a capture is, what is in it, and how healthy it is.

    With --json and one FILE the answer is one object, with several an array of them.
    """
    names = (*files, *more_files)
    if not names:
        raise click.UsageError("name a capture FILE, or - for standard input", click.get_current_context())
    documents: list[dict[str, Any]] = []
    status = 0
    for name in names:
        try:
            summary, document, reader = _read(name, protocols, condition, salvage)
        except CaptureError as error:
            status = max(status, tell(error))  # the other files can still be read
            continue
        if not as_json:
            out.lines(([""] if documents else []) + list(_page(summary, document, out)))
        documents.append(document)
        status = max(status, ending(reader))
    if as_json and documents:
        out.json(documents[0] if len(names) == 1 else documents)
    return status


def _read(
    name: str, protocols: dict[str, Any], condition: Condition | None, salvage: bool
) -> tuple[Summary, dict[str, Any], CaptureReader | Merged]:
    from pktlab.summary import Summary, summarise

    summary = Summary()
    with packets_of(name, protocols, condition, salvage=salvage) as capture:
        watched_work(capture, summarise(capture, summary))
        return summary, summary.document(capture), capture.reader


def _page(summary: Summary, document: dict[str, Any], out: Printer) -> Iterator[str]:
    yield out.paint(escape(document["file"]), "heading")
    yield from table([(f"  {name}", escape(value)) for name, value in _facts(summary, document) if value])
    if document["damage"]:
        damage = document["damage"]
        text = f"damaged at byte {damage['offset']}: {escape(damage['why'])}"
        yield from (out.paint(line, "bad") for line in wrapped(text, 2))
    if document["protocols"]:
        yield ""
        yield from _hierarchy(summary, out)
    if document["checksums"]:
        yield ""
        yield from verdict_table(summary.health, out)
        yield ""
        yield from wrapped(document["diagnosis"], 0)


def _facts(summary: Summary, document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    from pktlab.packets import moment_text
    from pktlab.summary import MAX_CONVERSATIONS

    packed = f", packed with {document['compression']}" if document["compression"] else ""
    yield "format", f"{document['description']}{packed}"
    yield "written by", ", ".join(dict.fromkeys(document["written_by"]))
    for interface in document["interfaces"]:
        name = f"{interface['name']}, " if interface["name"] else ""
        cut = f", cut to {interface['snaplen']:,} bytes" if 0 < interface["snaplen"] < 65535 else ""
        yield "interface", f"{name}{interface['link_type_name']}{cut}"
    yield "packets", f"{summary.packets:,}"
    cut = f", {summary.cap_len:,} of them captured" if summary.cap_len != summary.length else ""
    yield "bytes", f"{summary.length:,}{cut}"
    if summary.first_ns is not None and summary.duration_ns is not None:
        yield "first packet", moment_text(summary.first_ns)
        yield "time span", f"{summary.duration_ns / 1e9:.6f} s"
    most = " or more" if summary.conversations >= MAX_CONVERSATIONS else ""
    yield "conversations", f"{summary.conversations:,}{most}" if summary.conversations else ""
    yield "comments", f"{summary.comments:,}" if summary.comments else ""


def _hierarchy(summary: Summary, out: Printer) -> Iterator[str]:
    rows = [("protocol", "packets", "bytes", "share")]
    for path, packets, size in summary.hierarchy():
        rows.append(
            (f"{'  ' * (len(path) - 1)}{path[-1]}", f"{packets:,}", f"{size:,}", f"{packets / summary.packets:.1%}")
        )
    heading, *lines = table(rows, right=[1, 2, 3])
    yield out.paint(heading, "heading")
    yield from lines
