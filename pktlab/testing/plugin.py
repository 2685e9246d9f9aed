"""A pytest plugin: the packet on which a test fails, as a capture and explained.

Where a test fails with a `pktlab.Packet` among its arguments or variables, or with the counter-example of
`assert_checksum_conformant`, the report has a section with the name of a capture that holds the packet, the ``pktlab
craft`` command that makes it, the packet dissected, and its checksums explained word by word. The captures go to the
folder that ``pktlab_failures`` names in pytest's settings. The plugin costs a run nothing else: it imports pktlab only
if the test did.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pktlab.packets import Packet

__all__ = ["pytest_addoption", "pytest_runtest_makereport"]

FOLDER = "pktlab-failures"
MOST_CRAFTED = 2_000
"""Bytes of a packet up to which it is shown as a command; the capture has all of them."""
_AS = {1: "eth", 101: "raw"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting ``pktlab_failures``."""
    parser.addini("pktlab_failures", "folder for captures of packets on which tests fail", default=FOLDER)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add a section to the report of a test that failed on a packet."""
    outcome: Any = yield
    if call.when != "call" or call.excinfo is None or "pktlab" not in sys.modules:
        return
    report = outcome.get_result()
    if report.failed:
        lines = list(_lines(item, call.excinfo.value))
        if lines:
            report.sections.append(("pktlab", "\n".join(lines)))


def _lines(item: pytest.Item, error: BaseException) -> Iterator[str]:
    path = item.config.rootpath / str(item.config.getini("pktlab_failures")) / f"{_file_name(item.nodeid)}.pcapng"
    found = getattr(error, "report", None)
    if found is not None and "pktlab.testing.conformance.run" in sys.modules:
        _make_folder(path)
        found.write(path)
        yield f"counter-example: {path}"
        if found.kind.link_type in _AS:
            from pktlab.api import packet as read_packet

            *_, (data, comment) = found.packets()
            yield f"the last of its packets, {comment}:"
            yield from _shown(read_packet(data, as_=_AS[found.kind.link_type]))
        return
    packets = _packets(error, getattr(item, "originalname", item.name)) if "pktlab.packets" in sys.modules else []
    if packets:
        _write(path, packets)
        yield f"capture: {path}"
    for packet in packets:
        yield from _shown(packet)


def _shown(packet: Packet) -> Iterator[str]:
    from pktlab.live.craft_line import craft_line
    from pktlab.packets import tree_text

    yield ""
    if len(packet.data) <= MOST_CRAFTED and (line := craft_line(packet)) != repr(packet.data):
        yield f"pktlab craft {_quoted(line)}"
        yield ""
    yield from tree_text(packet.tree())
    if packet.judgements:
        yield ""
        yield packet.explain()


def _quoted(text: str) -> str:
    r"""Return `text` as a word of a command line, in double quotes if it holds none and nothing that these let through.

    >>> _quoted("IP(dst='192.0.2.1')"), _quoted("IP()")
    ('"IP(dst=\'192.0.2.1\')"', "'IP()'")
    """
    return f'"{text}"' if "'" in text and not set(text) & set('"$`\\!') else shlex.quote(text)


def _file_name(node: str) -> str:
    """Return the end of a test's id as the name of a file.

    >>> _file_name("tests/test_mine.py::test_sum[a/b]")
    'test_mine.py-test_sum-a-b'
    """
    return re.sub(r"[^\w.]+", "-", node.rpartition("tests/")[2] or node).strip("-")[-100:]


def _make_folder(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)


def _packets(error: BaseException, function: str) -> list[Packet]:
    """Return the packets in the variables of the test's own frame, the innermost of that name."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    from pktlab.packets import Packet

    found: list[Packet] = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == function:
            values = list(trace.tb_frame.f_locals.values())
            inside = [one for value in values if isinstance(value, list | tuple) for one in value]
            found = [one for one in (*values, *inside) if isinstance(one, Packet)] or found
        trace = trace.tb_next
    return list({id(one): one for one in found}.values())


def _write(path: Path, packets: list[Packet]) -> None:
    """Write the packets of the first one's link type into one capture."""
    from dataclasses import replace

    from pktlab.capture import open_writer

    _make_folder(path)
    link_type = packets[0].link_type
    with open_writer(str(path)) as writer:
        for number, packet in enumerate(one for one in packets if one.link_type == link_type):
            writer.write(replace(packet.record, number=number + 1, time_ns=packet.time_ns or 0))
