"""``pktlab checksum compute``: the Internet checksum of bytes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click

from pktlab_cli.options import bytes_of, color_option, command
from pktlab_cli.printing import Printer

__all__ = ["compute"]

_CHUNK_LEN = 1 << 20  # bytes; even, so that every chunk starts on a word


def _word(ctx: click.Context, _: click.Parameter, value: str) -> int:
    """Return a sum, a number of 16 bits, decimal or ``0x`` hex."""
    try:
        number = int(value, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= 0xFFFF:
        raise click.UsageError(f"--initial: {value!r} is no number from 0 to 0xffff", ctx)
    return number


@command(
    "compute",
    "pktlab checksum compute --hex '0001 f203 f4f5 f6f7'",
    "pktlab checksum compute --text 'hello, world' -V",
    "pktlab checksum compute README.md",
)
@click.argument("file", required=False)
@click.option("--hex", "hex_text", metavar="HEX", help="The bytes as hex or a hex dump; - reads it from stdin.")
@click.option("--text", metavar="TEXT", help="The bytes as text, in UTF-8.")
@click.option("--initial", callback=_word, default="0", metavar="SUM", help="A sum to start from, e.g. 0x1234.")
@click.option("-V", "--verbose", is_flag=True, help="Show the sum word by word.")
@color_option
def compute(
    file: str | None, hex_text: str | None, text: str | None, initial: int, verbose: bool, out: Printer
) -> None:
    """Compute the Internet checksum (RFC 1071) of the bytes of FILE, of hex, or of text.

    FILE is summed as it is, whatever it holds; - is standard input.
    """
    if sum(given is not None for given in (file, hex_text, text)) != 1:
        raise click.UsageError("sum what? Give one of FILE, --hex and --text", click.get_current_context())
    chunks = _chunks(file, hex_text, text)
    if verbose:
        from pktlab.wire.explain import explain_bytes

        out.lines(explain_bytes(b"".join(chunks), initial))
        return
    from pktlab.wire.checksum import ones_sum

    total = initial
    for chunk in chunks:
        total = ones_sum(chunk, total)
    out.line(f"{total ^ 0xFFFF:#06x}")


def _chunks(file: str | None, hex_text: str | None, text: str | None) -> Iterator[bytes]:
    """Yield the bytes in pieces, of which all but the last have an even length."""
    if hex_text is not None:
        yield bytes_of(hex_text)
    elif text is not None:
        yield text.encode("utf-8", "surrogateescape")
    elif file == "-":
        yield from _read(sys.stdin.buffer)
    else:
        with Path(file or "").open("rb") as opened:
            yield from _read(opened)


def _read(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK_LEN):
        yield chunk
