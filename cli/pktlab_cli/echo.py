"""``pktlab echo``: the lecture's four programs, a line there and the same in capitals back, over UDP and TCP."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from pktlab_cli.errors import note
from pktlab_cli.live import ended_by_signals
from pktlab_cli.options import color_option, command
from pktlab_cli.printing import Printer, escape

if TYPE_CHECKING:
    from pktlab.live.echo import Server, Trace

__all__ = ["tcp_client", "tcp_server", "udp_client", "udp_server"]

Function = Callable[..., Any]
_PORT = 12_000


def _server_options(function: Function) -> Function:
    for option in (
        color_option,
        click.option("--trace", is_flag=True, help="System calls and packets on one time line."),
        click.option(
            "--seconds", type=click.FloatRange(min=0), metavar="S", help="End after so long. [default: never]"
        ),
        click.option("--port", type=click.IntRange(0, 65_535), default=_PORT, show_default=True, help="0 takes any."),
        click.option("--host", default="", metavar="ADDRESS", help="An own address. [default: all, IPv4 and IPv6]"),
    ):
        function = option(function)
    return function


def _client_options(function: Function) -> Function:
    for option in (
        color_option,
        click.option("--trace", is_flag=True, help="System calls and packets on one time line."),
        click.option("--with-server", "own", is_flag=True, help="Start the server too, in this program."),
        click.option("--port", type=click.IntRange(1, 65_535), default=_PORT, show_default=True),
        click.option("--host", default="127.0.0.1", show_default=True, help="Where the server is."),
        click.argument("texts", nargs=-1, metavar="[TEXT]..."),
    ):
        function = option(function)
    return function


@command("udp-server", "pktlab echo udp-server --seconds 0.1 --port 0")
@_server_options
def udp_server(host: str, port: int, seconds: float | None, trace: bool, out: Printer) -> None:
    """Answer datagrams with their text in capitals.

    One socket serves all clients, and each is answered from the address that it asked.
    """
    from pktlab.live import echo

    _serve(echo.udp_server, host, port, seconds, trace, out)


@command("tcp-server", "pktlab echo tcp-server --seconds 0.1 --port 0")
@click.option(
    "--timeout", type=click.FloatRange(min=0.01), default=60.0, show_default=True, help="For a silent client."
)
@_server_options
def tcp_server(host: str, port: int, seconds: float | None, trace: bool, timeout: float, out: Printer) -> None:
    """Answer what clients send with the same in capitals, many clients at a time.

    Ctrl-C and SIGTERM let out what is already answered, and close everything.
    """
    from pktlab.live import echo

    _serve(functools.partial(echo.tcp_server, idle_s=timeout), host, port, seconds, trace, out)


@command(
    "udp-client",
    "pktlab echo udp-client --with-server hello",
    "pktlab echo udp-client --with-server --trace hello",
)
@click.option("--timeout", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="Then ask again.")
@click.option("--tries", type=click.IntRange(1, 10), default=3, show_default=True, help="How often to ask.")
@_client_options
def udp_client(
    texts: tuple[str, ...], host: str, port: int, own: bool, trace: bool, timeout: float, tries: int, out: Printer
) -> None:
    """Send each TEXT, or each line of standard input, in a datagram, and print the answer.

    A datagram without an answer is sent again, and waited for twice as long.
    """
    from pktlab.live import echo

    _ask(
        functools.partial(echo.ask_udp, wait_s=timeout, tries=tries),
        echo.udp_server,
        texts,
        host,
        port,
        own,
        trace,
        out,
    )


@command(
    "tcp-client",
    "pktlab echo tcp-client --with-server hello 'a second line'",
    "pktlab echo tcp-client --with-server --trace hello",
)
@click.option("--timeout", type=click.FloatRange(min=0.01), default=10.0, show_default=True, help="For an answer.")
@_client_options
def tcp_client(
    texts: tuple[str, ...], host: str, port: int, own: bool, trace: bool, timeout: float, out: Printer
) -> None:
    """Send each TEXT, or each line of standard input, over one connection, and print the answer."""
    from pktlab.live import echo

    _ask(functools.partial(echo.ask_tcp, wait_s=timeout), echo.tcp_server, texts, host, port, own, trace, out)


def _serve(made: Callable[..., Server], host: str, port: int, seconds: float | None, trace: bool, out: Printer) -> None:
    from pktlab.live.stop import Stop

    out.eager = True
    with Stop() as stop, ended_by_signals(stop.set), _shown(trace, port, out) as shown:
        server = made(host, port, say=_sayer(shown, "server", out), **_makes(shown, "server"))
        if shown is not None:
            shown.port = server.ends[0].port
        _sayer(shown, "server", out)(f"listening on {', '.join(map(str, server.ends))}")
        server.run(stop, seconds=seconds)


def _ask(
    ask: Callable[..., Iterator[bytes]], served: Callable[..., Server], texts: tuple[str, ...], host: str, port: int,
    own: bool, trace: bool, out: Printer,
) -> None:  # fmt: skip
    out.eager = True
    with _shown(trace, port, out) as shown, _own_server(served, host, shown, own) as its_port:
        port = its_port if own else port
        say = _sayer(shown, "client", out)
        for answer in ask(_lines(texts), host, port, **_makes(shown, "client")):
            say(answer.decode("utf-8", "backslashreplace"))


def _lines(texts: tuple[str, ...]) -> Iterator[bytes]:
    if texts:
        for text in texts:
            yield from text.encode("utf-8", "surrogateescape").split(b"\n")
    else:
        for line in sys.stdin.buffer:
            yield line.removesuffix(b"\n")


@contextmanager
def _shown(trace: bool, port: int, out: Printer) -> Iterator[Trace | None]:
    """Give the time line, if it is wanted."""
    if not trace:
        yield None
        return
    from pktlab.live.echo import Trace

    with Trace(lambda line: out.line(escape(line)), port) as shown:
        if shown.blind:
            note(f"only system calls are shown: {shown.blind}")
        yield shown


def _makes(shown: Trace | None, who: str) -> dict[str, Any]:
    """Return what sockets are to be made with, where that is said."""
    return {} if shown is None else {"make": shown.maker(who)}


def _sayer(shown: Trace | None, who: str, out: Printer) -> Callable[[str], None]:
    """Return what prints a line: on the time line, if there is one."""
    if shown is None:
        return lambda line: out.line(escape(line))
    return lambda line: shown.note(f"{who:<6}  # {line}")


@contextmanager
def _own_server(served: Callable[..., Server], host: str, shown: Trace | None, wanted: bool) -> Iterator[int]:
    """Give the port of a server that runs beside the client, if one is wanted."""
    if not wanted:
        yield 0
        return
    from pktlab.live.stop import Stop

    with ExitStack() as stack:
        stop = stack.enter_context(Stop())
        server = served(host, 0, **_makes(shown, "server"))
        port = server.ends[0].port
        if shown is not None:
            shown.port = port
        thread = threading.Thread(target=server.run, args=(stop,), name="server")
        stack.callback(thread.join)
        stack.callback(stop.set)
        thread.start()
        yield port
