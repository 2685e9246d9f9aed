"""How chosen fields are printed in rows: ``-T fields`` and ``-T csv``, and what ``-E`` says of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pktlab.columns.printing import Layout
    from pktlab_cli.printing import Printer

__all__ = ["ROWS", "layout_of", "print_header", "put_octets", "putting", "settings_option", "takes_octets"]

ROWS = ("fields", "csv")
"""Forms that are rows of fields."""
_SEPARATORS = {"/t": "\t", "/s": " "}
_QUOTES = {"d": '"', "s": "'", "n": ""}

settings_option = click.option(
    "-E", "settings", multiple=True, metavar="NAME=VALUE",
    help="Of rows: header=y|n, separator=/t|/s|C, quote=d|s|n, occurrence=f|l|a, aggregator=,|/s|C.",
)  # fmt: skip


def layout_of(form: str, settings: Sequence[str]) -> tuple[Layout, bool]:
    """Return how rows are laid out, and whether a header goes in front.

    >>> layout_of("fields", ["separator=;", "header=y"])
    (Layout(separator=';', quote='', occurrence='f', aggregator=',', doubled=False), True)
    """
    from pktlab.columns.printing import Layout

    layout = Layout(",", '"', doubled=True) if form == "csv" else Layout()
    header = form == "csv"
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise _misuse(f"-E {setting}: write NAME=VALUE, such as -E header=y")
        if name == "header" and value in ("y", "n"):
            header = value == "y"
        elif name in ("separator", "aggregator") and (len(value) == 1 or value in _SEPARATORS):
            sign = _SEPARATORS.get(value, value)
            layout = replace(layout, separator=sign) if name == "separator" else replace(layout, aggregator=sign)
        elif name == "quote" and value in _QUOTES:
            layout = replace(layout, quote=_QUOTES[value], doubled=False)
        elif name == "occurrence" and value in ("f", "l", "a"):
            layout = replace(layout, occurrence=value)
        else:
            known = "header=y|n, separator=, quote=d|s|n, occurrence=f|l|a, aggregator="
            raise _misuse(f"-E {setting} says nothing known; there are {known}")
    return layout, header


def print_header(names: Sequence[str], layout: Layout, out: Printer) -> None:
    """Print the names of the fields."""
    quote = "" if layout.doubled else layout.quote
    out.line(layout.separator.join(f"{quote}{name}{quote}" for name in names))


def put_octets(octets: bytes, out: Printer) -> None:
    """Print rows, which come with their ends."""
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:  # somebody has put a text stream in place of it
        sys.stdout.write(octets.decode(errors="replace"))
        return
    sys.stdout.flush()
    stream.write(octets)
    if out.eager:
        stream.flush()


def takes_octets(out: Printer) -> bool:
    """Tell whether standard output is given text as it is: in UTF-8, without colours, and not to a terminal."""
    is_utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().replace("_", "-") in ("utf-8", "utf8")
    return is_utf8 and not out.is_colored and not sys.stdout.isatty()


def putting(rows: Iterable[bytes], out: Printer) -> Iterator[None]:
    """Print rows, some at a time."""
    for some in rows:
        put_octets(some, out)
        yield


def _misuse(text: str) -> click.UsageError:
    return click.UsageError(text, click.get_current_context())
