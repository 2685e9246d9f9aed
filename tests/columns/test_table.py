"""Tables: both readers fill them alike, and every library gets what `tshark -T fields` shows."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import pktlab
from pktlab import api
from pktlab.capture import Record, open_writer
from pktlab.columns.cells import from_array, wanted
from pktlab.columns.registry import registry
from pktlab.columns.table import Table, TableColumn, joined
from pktlab.wire import build
from pktlab.wire.ethernet import Ethernet
from pktlab.wire.ipv4 import Ip
from pktlab.wire.ipv6 import Ipv6
from pktlab.wire.tcp import Tcp
from pktlab.wire.udp import Udp

ROOT = Path(__file__).resolve().parents[2]
FIRST_LIGHT = ROOT / "pcaps" / "first-light.pcapng"
CORPUS = os.environ.get("PKTLAB_CORPUS")
FAST = [
    "frame.number", "frame.time_epoch", "frame.time_epoch_ns", "frame.time_relative", "frame.time_delta", "frame.len",
    "frame.cap_len", "frame.interface_id", "eth.src", "eth.type", "ip.src", "ip.addr", "ip.host", "ipv6.dst_host",
    "ipv6.src", "ip.hdr_len", "ip.frag_offset", "ip.flags.df", "tcp.flags", "tcp.flags.syn", "tcp.len", "tcp.seq_raw",
    "udp.port", "udp.length", "udp.checksum", "udp.checksum.verdict", "udp.checksum.status", "udp.checksum.cause",
]  # fmt: skip

CHOSEN = ["frame.number", "ip.src", "frame.time_delta", "udp.dstport", "udp.checksum.cause", "frame.protocols"]


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3000 packets, more than the exact reader is given."""
    draw = random.Random(7)
    path = tmp_path_factory.mktemp("tables") / "many.pcap"
    with open_writer(path) as writer:
        for number in range(1, 3001):
            ends = [f"{{}}{draw.randrange(1, 200)}" for _ in range(2)]
            udp = Udp(srcport=draw.randrange(1, 65536), dstport=draw.choice([4000, 4001]))
            tcp = Tcp(srcport=draw.randrange(1, 65536), dstport=5000, flags=draw.randrange(0x40), seq_raw=number)
            inner, proto = draw.choice([(udp, 17), (tcp, 6)])
            old = Ip(src=ends[0].format("10.0.0."), dst=ends[1].format("10.0.1."), proto=proto)
            new = Ipv6(src=ends[0].format("2001:db8::"), dst=ends[1].format("2001:db8::1:"), nxt=proto)
            ip, kind = draw.choice([(old, 0x0800), (new, 0x86DD)])
            outer = Ethernet(dst="02:00:00:00:00:02", src="02:00:00:00:00:01", type=kind)
            data = build(outer, ip, inner, draw.randbytes(draw.randrange(60)))
            writer.write(Record(number, 1_700_000_000_000_000_001 + number * 1_000, data, len(data), 1))
    return path


def as_lists(table: Table) -> dict[str, list[Any]]:
    return {name: table[name].to_list() for name in table.column_names}


@cache
def exact_lists(path: Path, *chosen: tuple[str, str]) -> dict[str, list[Any]]:
    """Return what the exact reader says of the packets of a capture that pass."""
    selection = pktlab.open(path).where(**dict(chosen))
    selection.exact_first = 10**6
    return as_lists(selection.table(*CHOSEN))


def both(path: Path, names: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[Table, Table]:
    """Return the table of the exact reader, and that of the kernels."""
    monkeypatch.setattr(api, "exact_first", lambda _: 1 << 40)
    exact = pktlab.open(path).table(*names)
    monkeypatch.setattr(api, "exact_first", lambda _: 0)
    return exact, pktlab.open(path).table(*names)


class TestBothReaders:
    @pytest.mark.parametrize("names", [[], FAST], ids=["usual", "fast"])
    def test_of_first_light(self, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        exact, bulk = both(FIRST_LIGHT, names, monkeypatch)
        assert as_lists(exact) == as_lists(bulk)
        assert [one.kind for one in exact.columns.values()] == [one.kind for one in bulk.columns.values()]

    def test_of_every_field_that_there_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = [one.name for one in registry() if one.kind != "protocol"]
        exact, bulk = both(FIRST_LIGHT, names, monkeypatch)
        assert as_lists(exact) == as_lists(bulk)

    @pytest.mark.parametrize("names", [[], FAST], ids=["usual", "fast"])
    def test_of_many_packets(self, names: list[str], many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        exact, bulk = both(many, names, monkeypatch)
        assert len(exact) == len(bulk) == 3000
        assert as_lists(exact) == as_lists(bulk)

    @pytest.mark.skipif(CORPUS is None, reason="PKTLAB_CORPUS is not set")
    def test_of_captures_of_the_corpus(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = [one.name for one in registry() if one.source == "row"][::4]
        paths = sorted(path for path in Path(CORPUS or "").rglob("*.pcap*") if path.stat().st_size < 5_000)[::200]
        assert len(paths) > 5
        for path in paths:
            try:
                exact, bulk = both(path, names, monkeypatch)
            except pktlab.CaptureError:
                continue
            assert as_lists(exact) == as_lists(bulk), path

    def test_a_small_capture_loads_no_kernels(self) -> None:
        code = f"import sys, pktlab; pktlab.open({str(FIRST_LIGHT)!r}).table(); print('numba' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout == "False\n"


class TestBatches:
    @pytest.mark.parametrize("size", [1, 7, 1000, 2999, 3000, 3001])
    def test_have_the_size_asked_for(self, size: int, many: Path) -> None:
        tables = list(pktlab.open(many).batches("frame.number", "ip.src", size=size, threads=2))
        assert {len(table) for table in tables[:-1]} <= {size}
        assert 0 < len(tables[-1]) <= size
        assert as_lists(joined(tables)) == as_lists(pktlab.open(many).table("frame.number", "ip.src"))

    def test_of_an_empty_capture_are_one_without_rows(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with open_writer(tmp_path / "empty.pcap"):
            pass
        exact, bulk = both(tmp_path / "empty.pcap", [], monkeypatch)
        assert as_lists(exact) == as_lists(bulk) == {name: [] for name in exact.column_names}
        assert exact.to_pyarrow().schema == bulk.to_pyarrow().schema

    def test_of_a_stream_and_again_of_a_file(self, many: Path) -> None:
        with many.open("rb") as file:
            streamed = pktlab.open(file).table("ip.src", "tcp.flags")
        capture = pktlab.open(many)
        assert as_lists(streamed) == as_lists(capture.table("ip.src", "tcp.flags"))
        assert len(list(capture)) == len(capture.table("ip.src")) == 3000

    def test_of_a_selection(self, many: Path) -> None:
        table = pktlab.open(many).where("udp.dstport == 4001").table("frame.number", "udp.dstport", "frame.time_delta")
        assert set(table["udp.dstport"]) == {4001}
        assert {round(one * 1e9) for one in table["frame.time_delta"]} <= {
            0,
            1000,
        }  # since the packet before in the file

    @pytest.mark.parametrize(("size", "threads"), [(65_536, 1), (7, 2), (1000, 2)])
    @pytest.mark.parametrize(
        "chosen", [{"condition": "udp.checksum.verdict or ip.ttl < 64"}, {"bpf": "udp"}, {"condition": "frame.len < 3"}]
    )
    @pytest.mark.parametrize("exact_first", [1, 1000])
    def test_of_a_selection_in_bulk(
        self, many: Path, size: int, threads: int, chosen: dict[str, str], exact_first: int
    ) -> None:
        bulk = pktlab.open(many).where(**chosen)
        bulk.exact_first = exact_first
        tables = list(bulk.batches(*CHOSEN, size=size, threads=threads))
        assert {len(table) for table in tables[:-1]} <= {size}
        assert (0 < len(tables[-1]) <= size) or (len(tables) == 1 and "frame.len < 3" in chosen.values())
        assert as_lists(joined(tables)) == exact_lists(many, *chosen.items())

    def test_of_a_pipe_that_is_named_like_a_file(self, many: Path, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(many.read_bytes()))
        writer.start()
        assert len(pktlab.open(tmp_path / "pipe").table("ip.src")) == 3000
        writer.join()

    def test_of_a_damaged_capture_end_where_it_does(self, many: Path, tmp_path: Path) -> None:
        (tmp_path / "cut.pcap").write_bytes(many.read_bytes()[:-5])
        capture = pktlab.open(tmp_path / "cut.pcap")
        assert len(capture.table("ip.src")) == 2999
        assert capture.damage is not None


class TestNames:
    def test_that_nobody_knows(self) -> None:
        with pytest.raises(pktlab.SchemaError, match=r"'ip.scr', did you mean ip.src"):
            pktlab.open(FIRST_LIGHT).table("ip.scr")

    def test_of_protocols(self) -> None:
        with pytest.raises(pktlab.SchemaError, match="udp is a protocol"):
            pktlab.open(FIRST_LIGHT).table("udp")

    def test_twice_is_once(self) -> None:
        assert pktlab.open(FIRST_LIGHT).table("ip.src", "ip.src").column_names == ["ip.src"]


class TestOtherLibraries:
    def test_arrow(self) -> None:
        table = pktlab.open(FIRST_LIGHT).table(*FAST)
        arrow = pa.table(table)  # through __arrow_c_stream__
        assert arrow.equals(table.to_pyarrow())
        assert arrow["ip.src"].to_pylist() == table["ip.src"].to_list()
        assert arrow["frame.time_epoch"].cast(pa.int64()).to_pylist() == table["frame.time_epoch_ns"].to_list()
        assert arrow.schema.field("ip.src").type == pa.dictionary(pa.int32(), pa.string())
        assert str(arrow.schema.field("frame.time_epoch").type) == "timestamp[ns]"
        arrow.validate(full=True)

    def test_pandas_keeps_whole_numbers_whole(self) -> None:
        table = pktlab.open(FIRST_LIGHT).table("udp.dstport", "ip.src", "tcp.flags.syn")
        frame = table.to_pandas()
        assert [None if value != value else value for value in frame["ip.src"].tolist()] == table["ip.src"].to_list()
        assert str(frame["udp.dstport"].dtype) == "UInt16"
        assert frame["udp.dstport"].dropna().tolist() == [one for one in table["udp.dstport"] if one is not None]

    def test_polars(self) -> None:
        table = pktlab.open(FIRST_LIGHT).table("udp.dstport", "ip.src", "udp.checksum.verdict")
        assert table.to_polars().to_dict(as_series=False) == as_lists(table)

    @pytest.mark.parametrize(
        ("package", "method", "said"),
        [
            ("pyarrow", "to_pyarrow", r"this needs pyarrow: pip install pktlab-toolkit\[arrow\]"),
            ("pandas", "to_pandas", "this needs pandas: pip install pandas"),
            ("polars", "to_polars", "this needs polars: pip install polars"),
        ],
    )
    def test_that_are_missing(self, package: str, method: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
        table = pktlab.open(FIRST_LIGHT).table("ip.src")
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.delitem(sys.modules, "pktlab.columns.arrow", raising=False) if package == "pyarrow" else None
        with pytest.raises(pktlab.PktlabError, match=said):
            getattr(table, method)()


class TestShown:
    def test_as_text(self) -> None:
        shown = repr(pktlab.open(FIRST_LIGHT).table("frame.number", "ip.src"))
        assert shown.splitlines()[3].split() == ["3", "192.0.2.1"]
        assert shown.endswith("40 rows, the first 10 shown")

    def test_what_acts_on_a_terminal_or_a_page_is_escaped(self) -> None:
        has = np.array([True])
        table = Table({"a<b": TableColumn("text", np.array([0], np.int32), has, ("\x1b[2J<script>",))})
        assert "\x1b" not in repr(table) + table._repr_html_()
        assert "<script>" not in table._repr_html_()
        assert "a&lt;b" in table._repr_html_()

    def test_bytes_are_hex(self) -> None:
        has = np.array([True])
        assert "00ff" in repr(Table({"x": TableColumn("bytes", np.array([b"\0\xff"], object), has)}))


def test_addresses_that_make_the_same_number_are_told_apart() -> None:
    halves = np.array([[0, 5], [1, 0x9E3779B48D8EAE6C], [0, 5]], "<u8")  # all three make 5
    column = from_array(wanted(["ipv6.src"])[0], "wide", halves.view(np.uint8), np.ones(3, np.bool_))
    assert column.to_list() == ["::500:0:0:0", "100::6cae:8e8d:b479:379e", "::500:0:0:0"]
