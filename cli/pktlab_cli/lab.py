"""``pktlab lab list|run``, and ``pktlab demux --experiment``: experiments with real sockets in a sandbox."""

from __future__ import annotations

from pathlib import Path

import click

from pktlab_cli.errors import FOUND
from pktlab_cli.live import broken_off_by_signals
from pktlab_cli.options import color_option, command
from pktlab_cli.printing import Printer, escape, wrapped

__all__ = ["list_labs", "output_folder_option", "run_lab", "show_experiment"]

output_folder_option = click.option(
    "-o", "--output", "folder", metavar="DIR", help="Where an experiment leaves its capture and picture. [default: new]"
)


@command("list", "pktlab lab list")
@color_option
def list_labs(out: Printer) -> None:
    """List the experiments, with what each shows."""
    from pktlab.labs import EXPERIMENTS, claim_of

    for name, experiment in EXPERIMENTS.items():
        out.line(out.paint(name, "heading"))
        out.lines(wrapped(claim_of(experiment), 2))


@command("run", "pktlab lab run tcp-connection-sockets -o out", "pktlab lab run equal-sums")
@click.argument("name")
@output_folder_option
@color_option
def run_lab(name: str, folder: str | None, out: Printer) -> int:
    """Carry out an experiment: real sockets in a sandbox, a capture, a picture, and checks.

    The exit status is 1 if a check failed.
    """
    return show_experiment(name, folder, out)


def show_experiment(name: str, folder: str | None, out: Printer) -> int:
    """Carry out an experiment, print its checks, and return the exit status; ``list`` prints the names."""
    from pktlab.labs import EXPERIMENTS, run_experiment
    from pktlab.live.access import enter_own_namespace

    if name == "list":
        out.lines(EXPERIMENTS)
        return 0
    if name not in EXPERIMENTS:
        raise click.UsageError(_unknown(name, list(EXPERIMENTS)), click.get_current_context(silent=True))
    enter_own_namespace()
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    with broken_off_by_signals():
        outcome = run_experiment(name, folder)
    out.lines(wrapped(outcome.claim, 0))
    for check in outcome.checks:
        word = out.paint("held", "good") if check.holds else out.paint("FAILED", "bad")
        out.line(f"  {word}  {escape(check.text)}")
    out.line(f"{outcome.capture}\n{outcome.picture}")
    return 0 if outcome.holds else FOUND


def _unknown(name: str, names: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, names, 1)
    return f"there is no experiment {name!r}" + (
        f", did you mean {near[0]}?" if near else "; pktlab lab list shows all"
    )
