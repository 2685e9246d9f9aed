"""``pktlab checksum fix``: checksums put right, and nothing else touched."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.errors import ending, note
from pktlab_cli.options import color_option, command, protocol_options, salvage_option, source_options
from pktlab_cli.printing import Printer, count
from pktlab_cli.written import Form, form_option, target_option, written

if TYPE_CHECKING:
    from pktlab.repair import Repair
    from pktlab.wire.verdict import Verdict

__all__ = ["fix"]


@command(
    "fix",
    "pktlab checksum fix pcaps/first-light.pcapng --dry-run",
    "pktlab checksum fix pcaps/first-light.pcapng -w fixed.pcapng",
    "pktlab checksum fix pcaps/first-light.pcapng --only partial -w fixed.pcapng",
)
@source_options
@target_option
@form_option
@click.option("--dry-run", is_flag=True, help="Print what would change, and write nothing.")
@click.option("--only", metavar="VERDICT,…", help="Put right only these: bad, partial, illegal-zero.  [default: all]")
@salvage_option
@protocol_options
@color_option
def fix(
    source: str | None, target: str | None, dry_run: bool, only: str | None, file_form: Form | None,
    salvage: bool, protocols: dict[str, Any], out: Printer,
) -> int:  # fmt: skip
    """Put checksums right, and touch nothing else.

    A packet whose sums are good or absent is written as it is. What is malformed or cannot be verified is left alone
    and counted. A datagram in fragments is put right in the fragment that holds the field.
    """
    if (target is None) != dry_run:
        raise click.UsageError("name -w OUT, or ask for --dry-run", click.get_current_context())
    if source is None:
        raise click.UsageError("name a capture FILE, or - for standard input", click.get_current_context())
    from pktlab.repair import Repairs

    changed: Counter[str] = Counter()
    left: Counter[str] = Counter()
    repairs = functools.partial(Repairs, only=_verdicts(only), protocols=protocols, salvage=salvage)
    with _readable_twice(source) as path, repairs(path) as repaired:
        with _writer(target, repaired.capture.reader, file_form) as write:
            for repair in repaired:
                changed.update(str(change.verdict) for change in repair.changes)
                left.update(str(judgement.verdict) for judgement in repair.left)
                if dry_run:
                    out.lines(_lines(repair, out))
                else:
                    write(dataclasses.replace(repair.packet.record, data=repair.data))
        note(_report(changed, left, "would be put right" if dry_run else "put right"))
        return ending(repaired.capture.reader)


def _verdicts(only: str | None) -> list[Verdict]:
    from pktlab.repair import REPAIRED

    if only is None:
        return list(REPAIRED)
    named = {str(verdict): verdict for verdict in REPAIRED}
    words = [word.strip() for word in only.split(",") if word.strip()]
    wrong = [word for word in words if word not in named]
    if wrong or not words:
        what = f"{', '.join(wrong)} cannot be put right" if wrong else "names no verdict"
        raise click.BadParameter(f"{what}; give some of {', '.join(named)}", param_hint="--only")
    return [named[word] for word in words]


@contextlib.contextmanager
def _readable_twice(source: str) -> Iterator[str]:
    """Give a path that can be read twice; standard input is kept in a temporary file meanwhile."""
    if source != "-":
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "standard input"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield str(path)


@contextlib.contextmanager
def _writer(target: str | None, like: Any, form: Form | None) -> Iterator[Any]:
    if target is None:
        yield None
        return
    with written(target, like, form) as writer:
        yield writer.write


def _lines(repair: Repair, out: Printer) -> Iterator[str]:
    for change in sorted(repair.changes, key=lambda one: one.offset):
        verdict = out.paint(f"{change.verdict!s:<12}", str(change.verdict))
        place = f"byte {change.offset}"
        digits = 2 * change.width
        values = f"{change.before:0{digits}x} -> {change.after:0{digits}x}"
        yield f"frame {repair.packet.number:>5}  {change.protocol:<8} {place:<10} {values}  {verdict}".rstrip()


def _report(changed: Counter[str], left: Counter[str], done: str) -> str:
    said = f"{count(changed.total(), 'checksum')} {done}"
    if changed:
        said += f" ({', '.join(f'{number:,} {verdict}' for verdict, number in sorted(changed.items()))})"
    if left:
        said += f"; left as they are: {', '.join(f'{number:,} {verdict}' for verdict, number in sorted(left.items()))}"
    return said
