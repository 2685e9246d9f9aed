"""What the commands share that work on a network: the interface, the end by ctrl-C, the one line about who may."""

from __future__ import annotations

import contextlib
import functools
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import click

__all__ = [
    "broken_off_by_signals",
    "ended_by_signals",
    "interface_option",
    "known_interfaces",
    "pace_options",
    "summed_up",
    "yes_option",
]

interface_option = click.option("-i", "--interface", metavar="NAME", help="The network interface, such as lo or eth0.")
yes_option = click.option("--yes", is_flag=True, help="Send although packets may reach other people's machines.")


def pace_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give `function` a ``pps``: packets a second at most, or None."""

    @click.option("--interval", type=click.FloatRange(min=0), metavar="S", help="S seconds from packet to packet.")
    @click.option("--pps", type=click.FloatRange(min=0, min_open=True), metavar="N", help="At most N packets a second.")
    @functools.wraps(function)
    def wrapper(interval: float | None, pps: float | None, **options: Any) -> Any:
        if interval is not None and pps is not None:
            raise click.UsageError("give --interval or --pps", click.get_current_context())
        return function(pps=1 / interval if interval else pps, **options)

    return wrapper


def known_interfaces() -> str:
    """Return the names of the interfaces of this machine, as the end of a line."""
    from pktlab.live.links import links

    return ", ".join(link.name for link in links() if link.is_up)


@contextlib.contextmanager
def ended_by_signals(end: Callable[[], None]) -> Iterator[None]:
    """Have ctrl-C, and what `kill` and `timeout` send, call `end` in place of breaking off what is at work.

    A second ctrl-C breaks off.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return

    def handle(number: int, _: FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        end()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def broken_off_by_signals() -> Iterator[None]:
    """Have what `kill` and `timeout` send break off what is at work as ctrl-C does: it takes down what it built."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def summed_up(say: Callable[[], None], has_begun: Callable[[], object]) -> Iterator[None]:
    """Have `say` called at the end, also of what is broken off, but not where an error came before anything else."""
    done = False
    try:
        yield
        done = True
    finally:
        if done or has_begun():
            say()
