"""`pktlab flows`: the conversations of captures, in every form."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_rules import on_terminal


def test_a_line_a_conversation(pktlab: Any, good: Path) -> None:
    status, out, err = pktlab("flows", good)
    assert (status, err) == (0, "")
    heading, line = out.splitlines()
    assert heading.split() == ["flow", "packets", "bytes", "start", "duration", "state"]
    assert " ".join(line.split()) == "udp 0 192.0.2.1:40000 → 192.0.2.2:9999 3+0 137+0 0.000000 0.002000"


def test_forms_say_the_same(pktlab: Any, first_light: Path) -> None:
    rows = json.loads(pktlab("flows", first_light, "-T", "json").out)
    assert [json.loads(line) for line in pktlab("flows", first_light, "-T", "jsonl").out.splitlines()] == rows
    cells = list(csv.DictReader(io.StringIO(pktlab("flows", first_light, "-T", "csv").out)))
    plain = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    assert cells == plain


@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_tables(form: str, program: Any, first_light: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    data = program("flows", first_light, "-T", form).stdout
    if form == "parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(io.BytesIO(data))
    else:
        table = pa.ipc.open_stream(data).read_all()
    assert table.num_rows == 9
    assert sum(table["packets_out"].to_pylist()) == 14


@pytest.mark.parametrize(("sort", "key"), [("packets", "packets"), ("bytes", "bytes"), ("duration", "duration")])
def test_the_most_come_first(sort: str, key: str, pktlab: Any, first_light: Path) -> None:
    rows = json.loads(pktlab("flows", first_light, "--sort", sort, "-T", "json").out)
    sizes = [sum(value for name, value in row.items() if name.startswith(f"{key}_")) for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert json.loads(pktlab("flows", first_light, "--sort", sort, "-c", 2, "-T", "json").out) == rows[:2]


def test_a_filter_chooses_what_is_counted(pktlab: Any, first_light: Path) -> None:
    (row,) = json.loads(pktlab("flows", first_light, "-Y", "tcp.len > 0", "-T", "json").out)
    assert (row["stream"], row["packets_out"], row["packets_back"], row["state"]) == (0, 1, 1, "open")


def test_several_files_are_one_capture(pktlab: Any, good: Path, bad: Path) -> None:
    (row,) = json.loads(pktlab("flows", good, bad, "-T", "json").out)
    assert row["packets_out"] == 5


def test_damage_is_told_behind_what_was_read(pktlab: Any, cut: Path) -> None:
    status, out, err = pktlab("flows", cut)
    assert (status, "2+0" in out) == (3, True)
    assert "damaged at byte" in err


def test_a_narrow_terminal_gets_two_lines_each(environment: dict[str, str], good: Path) -> None:
    shown = on_terminal(["flows", str(good), "--color", "never"], environment | {"COLUMNS": "50"}).splitlines()
    assert max(map(len, shown)) <= 50
    assert [line.split()[0] for line in shown] == ["flow", "packets", "udp", "3+0"]


def test_nothing_to_list(pktlab: Any, good: Path) -> None:
    assert pktlab("flows", good, "-Y", "tcp") == (0, "", "")
