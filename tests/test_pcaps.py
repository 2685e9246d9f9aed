"""The captures of the project: the manifest describes them, and the recipe still makes the same."""

from __future__ import annotations

import doctest
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pktlab.live import Sandbox

ROOT = Path(__file__).resolve().parents[1]
PCAPS = ROOT / "pcaps"
RECIPES = PCAPS / "recipes"
FIRST_LIGHT = PCAPS / "first-light.pcapng"
MANIFEST: dict[str, dict[str, Any]] = json.loads((PCAPS / "manifest.json").read_text(encoding="utf-8"))
VERDICTS = {"good", "bad", "partial", "absent", "illegal-zero", "unverified", "malformed"}
MODULES = sorted(path.stem for path in RECIPES.glob("*.py"))


def needs(*programs: str) -> None:
    if missing := [program for program in programs if shutil.which(program) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import the recipes, which are programs that import each other, and forget them afterwards."""
    monkeypatch.syspath_prepend(RECIPES)
    for module in MODULES:
        monkeypatch.delitem(sys.modules, module, raising=False)
    yield importlib.import_module
    for module in MODULES:
        sys.modules.pop(module, None)


def run_recipe(*arguments: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_every_capture_is_in_the_manifest() -> None:
    assert sorted(MANIFEST) == sorted(path.name for path in PCAPS.glob("*.pcap*"))


@pytest.mark.parametrize("name", MANIFEST)
def test_manifest_fits_the_file(name: str) -> None:
    entry, content = MANIFEST[name], (PCAPS / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert len(content) == entry["bytes"]
    assert [frame["frame"] for frame in entry["frames"]] == list(range(1, entry["packets"] + 1))
    assert (PCAPS / entry["recipe"]).is_file()


@pytest.mark.parametrize("name", MANIFEST)
def test_manifest_names_verdicts_of_checksums_only(name: str) -> None:
    for frame in MANIFEST[name]["frames"]:
        assert set(frame["verdicts"].values()) <= VERDICTS
        is_judged = {"ip", "icmp", "icmpv6", "udp", "tcp"} & set(frame["protocols"])
        assert is_judged <= set(frame["verdicts"])


@pytest.mark.parametrize("name", MANIFEST)
def test_capinfos_counts_the_same(name: str) -> None:
    needs("capinfos")
    command = ["capinfos", "-M", "-c", str(PCAPS / name)]
    counted = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert counted.split()[-1] == str(MANIFEST[name]["packets"])


def test_manifest_is_what_tshark_sees() -> None:
    needs("tshark")
    checked = run_recipe(RECIPES / "manifest.py", "--check")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_kinds_that_first_light_is_for() -> None:
    entry = MANIFEST[FIRST_LIGHT.name]
    assert entry["interfaces"] == ["eth0", "lo"]
    assert 30 <= entry["packets"] <= 45
    found = [verdict for frame in entry["frames"] for verdict in frame["verdicts"].values()]
    assert found.count("bad") == 1
    assert found.count("partial") == 2
    assert found.count("unverified") == 2
    layers = {layer for frame in entry["frames"] for layer in frame["protocols"]}
    assert layers == {"eth", "vlan", "arp", "ip", "ipv6", "icmp", "icmpv6", "udp", "tcp"}


def test_readme_explains_every_frame(recipes: Any) -> None:
    told = recipes("story").FIRST_LIGHT
    rows = [f"| {number} | {frame.what} | {frame.teaches} |" for number, frame in enumerate(told, 1)]
    assert "\n".join(rows) in (PCAPS / "README.md").read_text(encoding="utf-8")


def test_comments_are_in_the_file(recipes: Any) -> None:
    needs("tshark")
    told = recipes("story").FIRST_LIGHT
    comments = recipes("tools").rows(FIRST_LIGHT, ["frame.comment"])
    # tshark -T fields writes a quotation mark and a backslash escaped; no comment has any.
    assert [row["frame.comment"] for row in comments] == [frame.teaches for frame in told]


def test_the_file_does_not_describe_the_machine(recipes: Any) -> None:
    content = FIRST_LIGHT.read_bytes()
    pcapng = recipes("pcapng")
    assert pcapng.without_machine(content) == content
    with_machine = content[:24] + b"\x02\x00\x03\x00CPU\x00" + content[24:]
    longer = (int.from_bytes(content[4:8], "little") + 8).to_bytes(4, "little")
    end = int.from_bytes(content[4:8], "little") + 8
    with_machine = with_machine[:4] + longer + with_machine[8 : end - 4] + longer + with_machine[end:]
    assert pcapng.without_machine(with_machine) == content


def test_a_capture_of_another_structure_is_found_out(recipes: Any, tmp_path: Path) -> None:
    needs("tshark", "editcap")
    differences = recipes("first_light").differences
    assert differences(FIRST_LIGHT) == []
    shorter, changed = tmp_path / "shorter.pcapng", tmp_path / "changed.pcapng"
    subprocess.run(["editcap", FIRST_LIGHT, shorter, "40"], check=True, timeout=60)
    assert differences(shorter) == ["39 frames instead of 40"]
    assert FIRST_LIGHT.read_bytes().count(b"HELLO, UDP") == 1
    changed.write_bytes(FIRST_LIGHT.read_bytes().replace(b"HELLO, UDP", b"HELLO, UDQ"))
    assert differences(changed) == [
        "frame 8 is not 'uppercase over UDP: the server's answer in upper case'",
        "frame 8: the checksum of udp is bad, not good",
    ]


def test_the_recipe_makes_the_same_again(recipes: Any, tmp_path: Path) -> None:
    if reason := Sandbox.available():
        pytest.skip(reason)
    needs("dumpcap", "reordercap", "editcap", "tshark", "ping", "dnsmasq")
    made = tmp_path / "again.pcapng"
    ran = run_recipe(RECIPES / "first_light.py", made)
    assert ran.returncode == 0, ran.stderr
    manifest = recipes("manifest")
    again = manifest.described(made, manifest.CAPTURES[FIRST_LIGHT.name])
    changes = {"sha256", "bytes"}
    expected = MANIFEST[FIRST_LIGHT.name]
    assert {k: v for k, v in again.items() if k not in changes} == {
        k: v for k, v in expected.items() if k not in changes
    }


def test_the_recipe_says_what_it_needs_in_one_line(tmp_path: Path) -> None:
    for arguments, why in (((), "usage"), ((tmp_path / "x", "y"), "usage")):
        ran = run_recipe(RECIPES / "first_light.py", *arguments)
        assert ran.returncode == 1
        assert ran.stderr.startswith(f"first_light: {why}")
        assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_the_recipes(recipes: Any, module: str) -> None:
    assert doctest.testmod(recipes(module)).failed == 0
