"""`pktlab export` and `dissect -T arrow|parquet`: files that hold what the table does, written once."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import pktlab as package

NAMES = ["-e", "frame.number", "-e", "ip.src", "-e", "tcp.flags"]


def test_parquet_holds_the_usual_columns(pktlab: Any, first_light: Path, tmp_path: Path) -> None:
    assert pktlab("export", first_light, "-o", tmp_path / "a.parquet") == (0, "", "")
    table = package.open(first_light).table()
    assert pq.read_table(tmp_path / "a.parquet").to_pydict() == table.to_pyarrow().to_pydict()
    assert [one.name for one in tmp_path.iterdir()] == ["a.parquet"]


@pytest.mark.parametrize("ending", ["arrow", "feather"])
def test_arrow_is_read_by_everybody(ending: str, pktlab: Any, first_light: Path, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    assert pktlab("export", first_light, *NAMES, "-o", path).status == 0
    held = pyarrow.feather.read_table(path)
    assert (
        held.to_pydict()
        == package.open(first_light).table("frame.number", "ip.src", "tcp.flags").to_pyarrow().to_pydict()
    )
    assert held.schema.field("ip.src").type == pa.string()


def test_a_filter_and_an_unknown_form(pktlab: Any, first_light: Path, tmp_path: Path) -> None:
    path = tmp_path / "columns"
    assert pktlab("export", first_light, "-o", path).status == 2
    done = pktlab("export", first_light, *NAMES, "-Y", "udp.port == 53", "-o", path, "--format", "parquet")
    assert done.status == 0
    assert pq.read_table(path).num_rows == sum(1 for _ in package.open(first_light).where("udp.port == 53")) > 0


class TestGoingOn:
    def test_what_is_complete_stays(self, pktlab: Any, good: Path, bad: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        assert pktlab("export", good, "-o", f"{out}/") == (0, "", "")
        first = (out / f"{good.name}.parquet").stat().st_mtime_ns
        again = pktlab("export", good, bad, "-o", out)
        assert again.err.count("is complete, so it stays") == 1
        assert (out / f"{good.name}.parquet").stat().st_mtime_ns == first
        assert sorted(one.name for one in out.iterdir()) == sorted(f"{one.name}.parquet" for one in (good, bad))

    @pytest.mark.parametrize("why", ["columns", "input", "force", "filter", "broken"])
    def test_what_is_not_the_same_is_done_again(self, why: str, pktlab: Any, good: Path, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        assert pktlab("export", good, *NAMES, "-o", path).status == 0
        more = {"columns": ["-e", "ip.dst"], "force": ["--force"], "filter": ["-Y", "udp"]}.get(why, [])
        if why == "input":
            os.utime(good, ns=(1, 1))
        if why == "broken":
            path.write_bytes(path.read_bytes()[:50])
        assert pktlab("export", good, *NAMES, *more, "-o", path) == (0, "", "")
        assert pq.read_table(path).num_rows == 3

    def test_what_fails_leaves_nothing(self, pktlab: Any, good: Path, tmp_path: Path) -> None:
        folder = tmp_path / "out"
        folder.mkdir()
        assert pktlab("export", good, "-e", "ip.scr", "-o", folder / "a.parquet").status == 2
        assert list(folder.iterdir()) == []

    def test_damage_is_told_behind_what_could_be_read(self, pktlab: Any, cut: Path, tmp_path: Path) -> None:
        done = pktlab("export", cut, "-o", tmp_path / "a.parquet")
        assert done.status == 3
        assert "damaged" in done.err
        assert pq.read_table(tmp_path / "a.parquet").num_rows == 2


class TestMisuse:
    def test_several_captures_in_one_file(self, pktlab: Any, good: Path, bad: Path, tmp_path: Path) -> None:
        assert "-o FOLDER/" in pktlab("export", good, bad, "-o", tmp_path / "a.parquet").err

    def test_two_of_the_same_name(self, pktlab: Any, good: Path, tmp_path: Path) -> None:
        assert pktlab("export", good, good, "-o", tmp_path).status == 2


@pytest.mark.parametrize("command", [["export", "-o", "-", "--format"], ["dissect", "-T"]], ids=["export", "dissect"])
def test_standard_output(command: list[str], program: Any, first_light: Path) -> None:
    expected = package.open(first_light).table("frame.number", "ip.src", "tcp.flags").to_pyarrow().to_pydict()
    stream = program(*command, "arrow", first_light, *NAMES)
    assert (stream.returncode, stream.stderr) == (0, b"")
    assert pa.ipc.open_stream(stream.stdout).read_all().to_pydict() == expected
    parquet = program(*command, "parquet", first_light, *NAMES)
    assert pq.read_table(io.BytesIO(parquet.stdout)).to_pydict() == expected


def test_dissect_writes_a_table_with_w(pktlab: Any, good: Path, tmp_path: Path) -> None:
    assert pktlab("dissect", good, "-T", "parquet", "-e", "udp.length", "-w", tmp_path / "t") == (0, "", "")
    assert pq.read_table(tmp_path / "t").to_pydict() == {"udp.length": [11, 11, 13]}
    assert pktlab("dissect", good, "-T", "arrow", "-c", 1, "-w", tmp_path / "t").status == 2
