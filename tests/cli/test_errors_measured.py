"""``pktlab checksum errors``: the table, JSON, the picture, and what is told of misuse."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest


def test_the_table(pktlab: Any) -> None:
    result = pktlab("checksum", "errors", "--model", "swap", "--trials", 5000, "--others", 100)
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "errors in segments of 1,024 bytes over random, seed 0"
    assert " ".join(lines[3].split()) == "swap internet 5,000 5,000 100.000 % 99.867 % .. 100.000 % 100.000 %"
    assert [line.split()[1] for line in lines[4:]] == ["CRC-32", "Fletcher-16", "Adler-32"]


def test_all_models_and_json(pktlab: Any, tmp_path: Path) -> None:
    plot = tmp_path / "out.svg"
    result = pktlab("checksum", "errors", "--trials", 2000, "--others", 20, "--json", "--plot", plot)
    said = json.loads(result.out)
    assert {one["model"] for one in said["counts"]} == {
        "bit", "2bit", "burst:15", "burst:16", "swap", "splice", "random"
    }  # fmt: skip
    assert all(one["interval_99"][0] <= one["rate"] <= one["interval_99"][1] for one in said["counts"])
    assert plot.read_text().startswith("<svg")


def test_the_picture_as_png(pktlab: Any, tmp_path: Path) -> None:
    arguments = ("checksum", "errors", "--model", "2bit", "--trials", 2000, "--others", 20)
    assert pktlab(*arguments, "--plot", tmp_path / "out.png").status == 0
    data = (tmp_path / "out.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert b"pktlab" in data[:200]


def test_without_matplotlib_one_line_says_what_to_install(
    pktlab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    status, out, err = pktlab("checksum", "errors", "--plot", tmp_path / "out.png")
    assert (status, out, err) == (2, "", "pktlab: this needs matplotlib: pip install pktlab-toolkit[plot]\n")


@pytest.mark.parametrize("over", ["text", "elf", "FILE"])
def test_data_of_all_kinds(pktlab: Any, over: str, first_light: Path) -> None:
    over = str(first_light) if over == "FILE" else over
    result = pktlab("checksum", "errors", "--model", "2bit", "--over", over, "--trials", 3000, "--others", 9)
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "bits"], "there is no model 'bits'"), (["--size", "33"], "33 is odd"),
        (["--plot", "a.gif"], "should end in .svg or .png"), (["--over", "/nowhere"], "/nowhere: no such file"),
        (["--over", "README.md", "--size", "65534"], "errors in segments of 65,534 need 131,076"),
    ],
)  # fmt: skip
def test_misuse_is_told_in_a_line(
    pktlab: Any, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    result = pktlab("checksum", "errors", *arguments)
    assert (result.status, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert said in result.err
