"""``pktlab checksum errors``: what the sum cannot see, measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pktlab_cli.options import color_option, command, json_option
from pktlab_cli.printing import Printer, escape, table

if TYPE_CHECKING:
    from pktlab.testing.unseen.measure import Count

__all__ = ["errors"]


@command(
    "errors",
    "pktlab checksum errors --model 2bit",
    "pktlab checksum errors --model burst:16 --over random --trials 100000",
    "pktlab checksum errors --model splice --over elf --trials 100000 --json",
)
@click.option("--model", metavar="MODEL", help="bit, 2bit, burst:N, swap, splice or random; all, if not given.")
@click.option("--over", default="random", metavar="FILE", help="Data: a FILE, or random, text, elf.  [default: random]")
@click.option("--trials", type=click.IntRange(min=1), default=1_000_000, metavar="N", help="Errors a model.  [1000000]")
@click.option(
    "--others", type=click.IntRange(min=1), default=20_000, metavar="N", help="Errors for the other checks.  [20000]"
)
@click.option(
    "--size", type=click.IntRange(min=8, max=65_534), default=1024, metavar="BYTES", help="Of a segment.  [1024]"
)
@click.option("--seed", type=click.IntRange(min=0), default=0, metavar="N", help="The same one gives the same errors.")
@click.option("--plot", metavar="OUT.svg|png", help="Draw the shares and their intervals.")
@json_option
@color_option
def errors(
    model: str | None, over: str, trials: int, others: int, size: int, seed: int, plot: str | None, as_json: bool,
    out: Printer,
) -> None:  # fmt: skip
    """Insert errors into data, and count those that the Internet checksum does not see.

    MODEL is one bit or two flipped, a burst of N bits, two words exchanged, two packets spliced at a 48-byte cell, or
    everything replaced by random bytes. Beside the share stand its 99 % interval (Wilson) and, where there is one, the
    formula for random data. CRC-32, Fletcher-16 and Adler-32 are computed in full, over fewer errors.

    text is the source of Python's library, elf the program that runs this.
    """
    context = click.get_current_context()
    if size % 2:
        raise click.UsageError(f"--size: {size} is odd; a segment is whole 16-bit words", context)
    _require_picture(plot, context)
    from pktlab.testing.unseen.measure import measure
    from pktlab.testing.unseen.models import MODELS, model_of
    from pktlab.testing.unseen.sources import open_source

    try:
        models = [model_of(name) for name in ([model] if model is not None else MODELS)]
    except ValueError as error:
        raise click.UsageError(f"--model: {error}", context) from None
    source = open_source(over, size, seed)
    counts = [
        count for one in models for count in measure(one, source, size=size, trials=trials, others=others, seed=seed)
    ]
    if plot is not None:
        _draw(Path(plot), counts, f"segments of {size:,} bytes over {over}")
    if as_json:
        rows = [count.document() for count in counts]
        out.json({"over": over, "segment_bytes": size, "seed": seed, "counts": rows})
    else:
        out.line(f"errors in segments of {size:,} bytes over {escape(over)}, seed {seed}\n")
        out.lines(_table(counts, out))


def _require_picture(plot: str | None, context: click.Context) -> None:
    """Refuse, before anything is counted, what cannot be drawn."""
    if plot is None:
        return
    if Path(plot).suffix not in (".svg", ".png"):
        raise click.UsageError(f"--plot: {plot} should end in .svg or .png, which is what is drawn", context)
    if Path(plot).suffix == ".png":
        from pktlab.demuxing.png import check_png

        check_png()


def _draw(path: Path, counts: Sequence[Count], title: str) -> None:
    from pktlab.testing.unseen.plot import png, svg

    path.write_bytes(png(counts, title) if path.suffix == ".png" else svg(counts, title).encode())


def _table(counts: Sequence[Count], out: Printer) -> Iterator[str]:
    rows = [["model", "check", "errors", "unseen", "share", "99 % interval", "formula"]]
    for count in counts:
        low, high = count.interval
        formula = "" if count.formula is None else _share(count.formula)
        rows.append([
            count.model, count.check, f"{count.trials:,}", f"{count.unseen:,}", _share(count.rate),
            f"{_share(low)} .. {_share(high)}", formula,
        ])  # fmt: skip
    heading, *lines = table(rows, right=(2, 3, 4))
    yield out.paint(heading, "heading")
    yield from lines


def _share(share: float) -> str:
    """Return a share as per cent, or where that is little as one in so many.

    >>> _share(0.0312), _share(1 / 65535), _share(0.0), _share(2**-32)
    ('3.120 %', '1/65,535', '0', '1/4,294,967,296')
    """
    if share == 0:
        return "0"
    return f"{100 * share:.3f} %" if share > 0.001 else f"1/{1 / share:,.0f}"
