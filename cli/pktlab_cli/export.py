"""``pktlab export``: columns of captures as Parquet or Arrow files."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.errors import ending, note
from pktlab_cli.options import command, filter_option, packets_of, protocol_options, salvage_option, sources_options
from pktlab_cli.progress import watched_work

if TYPE_CHECKING:
    from pktlab.api import Capture, Selection
    from pktlab_cli.options import Condition

__all__ = ["FORMS", "export", "print_columns"]

FORMS = ("parquet", "arrow")


@command(
    "export",
    "pktlab export pcaps/first-light.pcapng -o packets.parquet",
    "pktlab export pcaps/first-light.pcapng -e frame.number -e ip.src -e udp.dstport -o packets.arrow",
    "pktlab export pcaps/first-light.pcapng -Y 'udp.port == 53' -o out/ --format parquet",
)
@sources_options
@filter_option
@click.option("-e", "names", multiple=True, metavar="FIELD", help="A column; may be repeated. The usual ones if none.")
@click.option("-o", "--output", "target", required=True, metavar="OUT", help="The file, or a folder; - is stdout.")
@click.option("-F", "--format", "form", type=click.Choice(FORMS), help="If the name of OUT is not to say.")
@click.option("--force", is_flag=True, help="Do again what is finished.")
@salvage_option
@protocol_options
def export(
    sources: list[str], condition: Condition | None, names: tuple[str, ...], target: str, form: str | None, force: bool,
    salvage: bool, protocols: dict[str, Any],
) -> int:  # fmt: skip
    """Write columns of captures to Parquet (.parquet) or Arrow (.arrow, .feather).

    OUT is a file for one FILE, or a folder (one that is there, or a name that ends in /), which gets a file for each:
    out/a.pcap.parquet. A file has its name only when it is complete, and tells what it holds: when the command is run
    again it goes on with what is missing, or has changed since. --force does all again.
    """
    jobs = _jobs(sources, target, form)
    status = 0
    for source, path, kind in jobs:
        with contextlib.closing(packets_of(source, protocols, condition, salvage=salvage)) as capture:
            if path is None:
                print_columns(capture, names, kind)
            else:
                _export(path, capture, names, kind, force)
            status = max(status, ending(capture.reader))
    return status


def _jobs(sources: list[str], target: str, form: str | None) -> list[tuple[str, Path | None, str]]:
    """Return what is to be read, where it goes (None for standard output), and in which form."""
    path = Path(target)
    if target != "-" and (path.is_dir() or target.endswith(("/", "\\"))):
        kind = form or FORMS[0]
        if "-" in sources:
            raise _misuse("standard input has no name for a file in a folder: name the file")
        jobs = [(source, path / f"{Path(source).name}.{kind}", kind) for source in sources]
        if len({one for _, one, _ in jobs}) < len(jobs):
            raise _misuse("two captures have the same name: give each a folder")
        path.mkdir(parents=True, exist_ok=True)
        return [*jobs]
    if len(sources) != 1:
        raise _misuse("name a capture FILE" if not sources else "several captures go to a folder: -o FOLDER/")
    from pktlab.columns.arrow import form_of

    kind = form or form_of(path) or ""
    if not kind:
        raise _misuse(f"what is {target} to be? End it in .parquet or .arrow, or give --format")
    return [(sources[0], None if target == "-" else path, kind)]


def _export(path: Path, capture: Capture | Selection, names: tuple[str, ...], kind: str, force: bool) -> None:
    from pktlab.export import export as write
    from pktlab.export import is_exported

    if not force and is_exported(path, capture, names, form=kind):
        note(f"{path}: is complete, so it stays; --force does it again")
        return
    watched_work(capture, write(path, capture, names, form=kind))


def print_columns(
    capture: Capture | Selection,
    names: tuple[str, ...],
    kind: str,
    target: str | None = None,
    *,
    is_part: bool = False,
) -> None:
    """Write columns to standard output, or to a file; `is_part` says that only some packets were asked for."""
    if is_part:
        raise _misuse(f"-T {kind} is of all packets that pass -Y and -f")
    from pktlab.export import export as write
    from pktlab.export import export_to

    if target not in (None, "-"):
        watched_work(capture, write(Path(target or ""), capture, names, form=kind))
        return
    if sys.stdout.isatty():
        raise _misuse(f"{kind} is not for a terminal: name a file, or a program that reads it")
    sys.stdout.flush()
    watched_work(capture, export_to(sys.stdout.buffer, capture, names, form=kind))


def _misuse(text: str) -> click.UsageError:
    return click.UsageError(text, click.get_current_context(silent=True))
