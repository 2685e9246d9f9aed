"""`pktlab query`: SQL over columns, against pyarrow's own sums and against tshark; and what it must not reach."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import pktlab as package
from pktlab.capture import open_writer
from pktlab.query import ask


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory, datagram: Any) -> Path:
    """20,000 datagrams of some sizes."""
    path = tmp_path_factory.mktemp("query") / "many.pcap"
    some = [datagram(b"x" * (n % 50), 1).data for n in range(50)]
    first = datagram(b"", 1)
    with open_writer(path) as writer:
        for number in range(20_000):
            data = some[number * 7 % 50]
            first.number, first.data, first.length, first.time_ns = number + 1, data, len(data), number * 1001
            writer.write(first)
    return path


def rows(path: Path, query: str) -> list[list[Any]]:
    answer = ask([str(path)], query)
    try:
        return list(answer.rows())
    finally:
        answer.close()


def test_groups_are_those_of_pyarrow(many: Path) -> None:
    table = package.open(many).table("udp.length", "frame.len").to_pyarrow()
    grouped = table.group_by("udp.length").aggregate([("frame.len", "sum"), ("frame.len", "count")]).to_pylist()
    wanted = sorted([one["udp.length"], one["frame.len_sum"], one["frame.len_count"]] for one in grouped)
    query = "select udp.length, sum(frame.len), count(frame.len) from packets group by all order by 1"
    assert rows(many, query) == wanted
    assert len(wanted) == 50


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_values_are_those_of_tshark(first_light: Path) -> None:
    fields = ["frame.number", "ip.src", "udp.dstport", "udp.length", "tcp.flags", "tcp.flags.syn"]
    command = [
        "tshark",
        "-n",
        "-r",
        str(first_light),
        "-T",
        "fields",
        "-E",
        "occurrence=f",
        "-o",
        "ip.defragment:false",
    ]
    for field in fields:
        command += ["-e", field]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    names = [f"{name}.value" if name == "tcp.flags" else name for name in fields]
    found = rows(first_light, f"select {', '.join(names)} from packets order by 1")
    text = [
        ["" if one is None else str(int(one)) if isinstance(one, bool) else str(one) for one in row] for row in found
    ]
    assert ["\t".join(row) for row in text] == shown


class TestNames:
    def test_a_value_with_others_below_it(self, first_light: Path) -> None:
        query = "select udp.checksum.value, udp.checksum.verdict, ip.flags.value, ip.flags.df from packets limit 5"
        table = package.open(first_light).table("udp.checksum", "udp.checksum.verdict", "ip.flags", "ip.flags.df")
        assert rows(first_light, query) == [list(row.values()) for row in table.head(5).to_rows()]

    @pytest.mark.parametrize(
        "query",
        [
            "select p.ip.src from packets p",
            "with chosen as (select ip.src from packets) select src from chosen",
            "select IP.SRC from packets",
            "select ip['src'] from packets",
            "from packets select ip.src",
        ],
    )
    def test_however_they_are_written(self, query: str, first_light: Path) -> None:
        found = Counter(row[0] for row in rows(first_light, query))
        assert found == Counter(package.open(first_light).table("ip.src")["ip.src"])

    def test_a_star_is_the_usual_ones(self, first_light: Path) -> None:
        answer = ask([str(first_light)], "select * from packets")
        assert answer.names == ["frame", "ip", "ipv6", "tcp", "udp"]
        answer.close()

    def test_the_view_can_be_read_twice(self, many: Path) -> None:
        query = "select count(*) from packets a join packets b on a.frame.number = b.frame.number"
        assert rows(many, query) == [[20_000]]


class TestForms:
    QUERY = (
        "select frame.number as n, frame.time_epoch as t, udp.dstport as port, 'a\x1b[2J' as evil from packets limit 1"
    )

    def test_text(self, pktlab: Any, good: Path) -> None:
        lines = pktlab("query", good, self.QUERY).out.splitlines()
        assert lines == [
            "n  t                              port  evil",
            r"1  2023-11-14 22:13:20.000000000  9999  a\x1b[2J",
        ]

    def test_json_jsonl_and_csv(self, pktlab: Any, good: Path) -> None:
        row = {"n": 1, "t": "2023-11-14 22:13:20.000000000", "port": 9999, "evil": "a\x1b[2J"}
        assert json.loads(pktlab("query", good, "-T", "json", self.QUERY).out) == [row]
        assert json.loads(pktlab("query", good, "-T", "jsonl", self.QUERY).out) == row
        found = list(csv.reader(io.StringIO(pktlab("query", good, "-T", "csv", self.QUERY).out)))
        assert found == [list(row), ["1", row["t"], "9999", r"a\x1b[2J"]]

    def test_arrow(self, program: Any, good: Path) -> None:
        done = program("query", good, "-T", "arrow", "select udp.length from packets")
        assert pa.ipc.open_stream(done.stdout).read_all().to_pydict() == {"length": [11, 11, 13]}

    def test_bytes_are_hex(self, pktlab: Any, good: Path) -> None:
        assert json.loads(pktlab("query", good, "-T", "jsonl", "select udp.payload from packets limit 1").out) == {
            "payload": b"one".hex()
        }


def test_exported_files_are_asked_alike(pktlab: Any, many: Path, tmp_path: Path) -> None:
    path = tmp_path / "many.parquet"
    assert pktlab("export", many, "-o", path).status == 0
    query = "select ip.src, udp.length, count(*) from packets group by all order by all"
    assert rows(path, query) == rows(many, query)
    assert "has no column eth.src" in pktlab("query", path, "select eth.src from packets").err


def test_what_is_no_exported_file_is_said_to_be_none(pktlab: Any, tmp_path: Path) -> None:
    (tmp_path / "noise.parquet").write_bytes(b"PAR1" * 9)
    for name, why in (("none", "no such file"), ("noise", "is no Parquet file, or a damaged one")):
        path = tmp_path / f"{name}.parquet"
        assert pktlab("query", path, "select 1 from packets") == (2, "", f"pktlab: {path}: {why}\n")


class TestErrors:
    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("select ip.scr from packets", "no field is called 'ip.scr', did you mean ip.src?"),
            ("select nosuch from packets", 'Referenced column "nosuch" not found'),
            ("select * frm packets", 'syntax error at or near "packets"'),
            ("copy packets to 'x.csv'", "only SELECT is possible"),
            ("set memory_limit = '9GB'", "only SELECT is possible"),
            ("select 1; select 2", "one SELECT at a time"),
            ("", "SQL: there is nothing in it"),
            ("select * from read_text('/etc/passwd')", "disabled by configuration"),
            ("select * from '/etc/passwd.csv'", "disabled by configuration"),
            ("select cast(ip.src as int) from packets", "Could not convert string '192.0.2.1'"),
        ],
    )
    def test_are_one_line(self, query: str, said: str, pktlab: Any, good: Path) -> None:
        done = pktlab("query", good, query)
        assert done.status == 2
        assert said in done.err
        assert done.err.count("\n") == 1

    def test_a_stream_cannot_be_asked_twice(self, pktlab: Any, good: Path) -> None:
        done = pktlab("query", "-", "select count(*) from packets a, packets b", stdin=good.read_bytes())
        assert done == (2, "", "pktlab: -: a stream can be read once; iterate over it, or name a file\n")

    def test_an_interrupt_is_none(self, pktlab: Any, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("pktlab.query.to_batch", interrupted)
        assert pktlab("query", good, "select ip.src from packets") == (130, "", "")

    def test_damage_is_told(self, pktlab: Any, cut: Path) -> None:
        done = pktlab("query", cut, "select count(*) as n from packets")
        assert (done.status, done.out) == (3, "n\n2\n")

    def test_without_sql(self, pktlab: Any, good: Path) -> None:
        assert pktlab("query", good).status == 2
