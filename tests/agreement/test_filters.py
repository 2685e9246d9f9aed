"""Filters over real packets: the same frames as tshark's, and the same texts taken for filters.

tshark runs once for a capture: a Lua script gives it a tap for every filter, so a hundred cost as much as one. A frame
on which the two differ has to fall under one of the reasons below, each a test on the frame; they are differences of
what is read of a packet, which the other tests of this folder look at, and never of what a filter says.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pktlab
from pktlab.columns.filters import Filter, compile_filter

from . import tshark
from .capfiles import write_pcapng
from .filterlist import ACCEPTED, ASKED, REFUSED
from .samples import corpus_packets, needs_corpus
from .tshark import needs_tshark

TAPS = """
local filters = {{{filters}}}
for number, text in ipairs(filters) do
  local found = {{}}
  local made, tap = pcall(Listener.new, "frame", text)
  if made then
    tap.packet = function(pinfo) table.insert(found, pinfo.number) end
    tap.draw = function() print("filter " .. number .. " " .. table.concat(found, " ")) end
    tap.reset = function() end
  end
end
local protocols = Field.new("frame.protocols")
local every = Listener.new("frame")
every.packet = function(pinfo) print("frame " .. pinfo.number .. " " .. tostring(protocols())) end
every.reset = function() end
"""


def taps(filters: tuple[str, ...], capture: Path, folder: Path) -> tuple[dict[str, set[int]], dict[int, list[str]]]:
    """Return the frames of each filter that tshark takes for one, and the protocols that it sees in each frame."""
    script = folder / "taps.lua"
    script.write_text(TAPS.format(filters=",".join(f"[==[{one}]==]" for one in filters)))
    command = ["tshark", "-n", "-q", "-r", str(capture), "-X", f"lua_script:{script}"]
    for option in tshark.OPTIONS:
        command += ["-o", option]
    environment = {**os.environ, "WIRESHARK_CONFIG_DIR": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    found: dict[str, set[int]] = {}
    protocols: dict[int, list[str]] = {}
    for line in done.stdout.splitlines():
        kind, number, *rest = line.split()
        if kind == "filter":
            found[filters[int(number) - 1]] = set(map(int, rest))
        elif kind == "frame":
            protocols[int(number)] = rest[0].split(":") if rest else []
    return found, protocols


# ---- reasons


def stopped(packet: pktlab.Packet, protocols: list[str], text: str) -> bool:
    """Tell whether a header is malformed or cut: tshark gives fewer fields, or goes on with what cannot be right."""
    return packet.stop is not None


def overrun(packet: pktlab.Packet, protocols: list[str], text: str) -> bool:
    """Tell whether a length exceeds the frame, or says 0 for "to the end", or the frame was cut."""
    notes = any("is 0: read to the end" in note for layer in packet.layers for note in layer.notes)
    return packet.is_cut or notes or any(layer.overrun is not None for layer in packet.layers)


SEEN = {"ip", "ipv6", "icmp", "icmpv6", "udp", "tcp", "igmp", "gre", "sctp", "vlan", "arp", "eth", "llc"}


def read_otherwise(packet: pktlab.Packet, protocols: list[str], text: str) -> bool:
    """Tell whether the chain of headers is another: Teredo, a tunnel by its port, a protocol that only one reads."""
    ours = [layer.protocol for layer in packet.layers if layer.protocol in SEEN]
    return ours != [name for name in protocols if name in SEEN]


def quoted(packet: pktlab.Packet, protocols: list[str], text: str) -> bool:
    """Tell whether it quotes a packet: tshark judges its sums and gives it no tcp.len, pktlab the other way round."""
    return any(layer.quoted for layer in packet.layers) and ("checksum" in text or "tcp." in text)


def fragment(packet: pktlab.Packet, protocols: list[str], text: str) -> bool:
    """Tell whether it is a fragment: pktlab gives the verdict on the whole with the frame that completes it."""
    return "checksum" in text and (packet.is_fragment or packet.whole is not None)


def padded_options(packet: pktlab.Packet, protocols: list[str], text: str) -> bool:
    """Tell whether octets follow the End of Option List: tshark takes each zero for one more, pktlab for padding."""
    return "option_kind" in text and any(packet.values("tcp.options.padding"))


def trimmed(packet: pktlab.Packet, protocols: list[str], text: str) -> bool:
    """Tell whether octets follow a raw IP packet: tshark cuts the frame itself to the IP length."""
    start, stop = packet.dissection.trailer
    return "frame" in text and stop > start and packet.layers[0].protocol in ("ip", "ipv6")


def zero_length(packet: pktlab.Packet, protocols: list[str], text: str) -> bool:
    """Tell whether it is an 802.3 frame of length 0: tshark takes that for an EtherType."""
    return "eth.len" in text and packet.get("eth.len") == 0


def reset_cause(packet: pktlab.Packet, protocols: list[str], text: str) -> bool:
    """Tell whether a reset has data: tshark calls them tcp.reset_cause, and no tcp.payload."""
    return "tcp.payload" in text and bool(packet.get("tcp.flags.reset"))


REASONS: tuple[Callable[[pktlab.Packet, list[str], str], bool], ...] = (
    stopped, overrun, read_otherwise, quoted, fragment, padded_options, trimmed,
    zero_length, reset_cause,
)  # fmt: skip


def passing(filters: dict[str, Filter], packets: list[pktlab.Packet]) -> Iterator[tuple[str, set[int]]]:
    """Yield for each filter the frames that pass."""
    for text, one in filters.items():
        yield text, {packet.number for packet in one.select(packets)}


@needs_tshark
@needs_corpus
@pytest.mark.parametrize(
    ("common", "rare"), [(1, 2), pytest.param(30, 60, marks=pytest.mark.thorough)], ids=["part", "all"]
)
def test_filters_pass_the_same_frames(common: int, rare: int, tmp_path: Path) -> None:
    capture = tmp_path / "packets.pcapng"
    write_pcapng(capture, corpus_packets(common, rare))
    tshark._configure(tmp_path)
    theirs, protocols = taps(ASKED, capture, tmp_path)
    assert set(theirs) == set(ASKED)
    packets = {packet.number: packet for packet in pktlab.open(capture)}
    unexplained: list[object] = []
    reasons: Counter[str] = Counter()
    same = identical = 0
    for text, ours in passing({text: compile_filter(text) for text in ASKED}, list(packets.values())):
        differing = ours ^ theirs[text]
        same += len(packets) - len(differing)
        identical += not differing
        for number in sorted(differing):
            packet = packets[number]
            names = (reason.__name__ for reason in REASONS if reason(packet, protocols.get(number, []), text))
            reason = next(names, "")
            reasons[reason] += 1
            if not reason:
                unexplained.append((text, number, number in ours, protocols.get(number)))
    assert unexplained == []
    assert identical >= 100
    assert same > 500 * sum(reasons.values()), reasons


@needs_tshark
def test_the_same_texts_are_filters(tmp_path: Path, first_light: Path) -> None:
    texts = ACCEPTED + REFUSED
    theirs, _ = taps(texts, first_light, tmp_path)
    assert sorted(theirs) == sorted(ACCEPTED)


@pytest.mark.parametrize("text", ACCEPTED, ids=range(len(ACCEPTED)))
def test_a_right_filter_is_taken(text: str) -> None:
    assert compile_filter(text).fields


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_a_wrong_filter_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(pktlab.FilterError) as caught:
        compile_filter(text)
    assert len(str(caught.value).splitlines()) == 1
    assert 0 <= caught.value.at <= len(text)
