"""The captured swarms: the truth describes the files, and the recipe still makes swarms."""

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
SWARMS, RECIPES = ROOT / "pcaps" / "swarms", ROOT / "pcaps" / "recipes" / "swarm"
NAMES = sorted(path.stem for path in SWARMS.glob("*.json"))
MODULES = ("clients", "content", "make", "scenarios", "tracker")


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import the recipe's modules, which import each other, and forget them afterwards."""
    monkeypatch.syspath_prepend(RECIPES)
    yield importlib.import_module
    for module in MODULES:
        sys.modules.pop(module, None)


def run_recipe(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(RECIPES / "make.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_every_scenario_was_captured(recipes: Any) -> None:
    scenarios = recipes("scenarios").SCENARIOS
    assert [*NAMES, "brief"] == sorted(scenarios, key=lambda name: (name == "brief", name))
    readme = (ROOT / "pcaps" / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"| `{name}` | {scenarios[name].what} |" in readme


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_is_about_the_files_beside_it(name: str, recipes: Any) -> None:
    truth = json.loads((SWARMS / f"{name}.json").read_text(encoding="utf-8"))
    compressed = (SWARMS / f"{name}.pcap.zst").read_bytes()
    assert hashlib.sha256(compressed).hexdigest() == truth["sha256"]
    assert len(compressed) <= 1 << 20
    metainfo = (SWARMS / f"{name}.torrent").read_bytes()
    shared = recipes("scenarios").SCENARIOS[name].shared
    info = recipes("content").bencode(shared.info())
    assert metainfo.endswith(b"4:info" + info + b"e")
    assert hashlib.sha1(info).hexdigest() == truth["info_hash"]
    assert (shared.pieces, shared.length, shared.name) == (truth["pieces"], truth["length"], truth["name"])


@pytest.mark.parametrize("name", NAMES)
def test_every_leecher_got_everything(name: str) -> None:
    truth = json.loads((SWARMS / f"{name}.json").read_text(encoding="utf-8"))
    for host in truth["hosts"].values():
        assert (host["completed"] is None) == (host["role"] == "seed")
        assert host["started"] <= (host["completed"] or host["started"]) <= host["left"]
        if host["role"] == "leecher":
            missing = truth["length"] - len(host["had"]) * truth["piece_length"]
            assert host["downloaded"] >= missing * 0.98
        assert host.get("errors", []) == []


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_the_recipe(recipes: Any, module: str) -> None:
    assert doctest.testmod(recipes(module)).failed == 0


@pytest.mark.thorough
def test_the_recipe_makes_a_swarm(tmp_path: Path) -> None:
    if reason := Sandbox.available():
        pytest.skip(reason)
    if missing := [program for program in ("tcpdump", "tc") if shutil.which(program) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    pytest.importorskip("libtorrent")
    ran = run_recipe(tmp_path, "brief")
    assert ran.returncode == 0, ran.stderr
    truth = json.loads((tmp_path / "brief.json").read_text(encoding="utf-8"))
    assert truth["hosts"]["ann"]["downloaded"] == truth["length"]


def test_the_recipe_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    for arguments, why in (((), "swarm: usage"), ((tmp_path, "nosuch"), "swarm: no scenario nosuch")):
        ran = run_recipe(*arguments)
        assert ran.returncode == 1
        assert ran.stderr.startswith(why)
        assert ran.stderr.count("\n") == 1
