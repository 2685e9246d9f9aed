"""`pktlab doctor`: what is there, and the command that would allow what is not."""

from __future__ import annotations

import json
import platform
import shutil
import socket
import subprocess
from typing import Any

import pytest
from pktlab_cli import doctor as module


def findings(pktlab: Any) -> dict[str, dict[str, Any]]:
    status, out, err = pktlab("doctor", "--json")
    assert (status, err) == (0, "")
    return {one["name"]: one for one in json.loads(out)}


def test_versions(pktlab: Any) -> None:
    found = findings(pktlab)
    assert (found["python"]["ok"], found["python"]["found"]) == (True, platform.python_version())
    assert found["construct"]["ok"]
    assert found["pktlab-toolkit"]["found"].startswith("0.")


def test_a_line_each_with_ok_or_missing(pktlab: Any) -> None:
    out = pktlab("doctor").out
    for name in findings(pktlab):
        (line,) = [one for one in out.splitlines() if one.startswith(f"{name} ")]
        assert line[len(name) :].split()[0] in ("ok", "missing")


def test_a_missing_program_names_the_command_that_brings_it(pktlab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = findings(pktlab)
    assert (found["tshark"]["ok"], found["tshark"]["remedy"]) == (False, "sudo apt-get install tshark")
    assert not found["namespaces"]["ok"]
    lines = pktlab("doctor").out.splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("tshark "))
    assert lines[at].split()[1] == "missing"
    assert lines[at + 1] == "    sudo apt-get install tshark"


def test_no_raw_sockets_without_the_right(pktlab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "AF_PACKET", 17, raising=False)
    monkeypatch.setattr(module.sys, "platform", "linux")
    found = findings(pktlab)["raw sockets"]
    assert (found["ok"], found["found"]) == (False, "operation not permitted")
    assert found["remedy"].startswith("sudo setcap cap_net_raw")


def test_a_program_that_hangs_is_not_waited_for(pktlab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("tshark", 5)

    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", hang)
    found = findings(pktlab)
    assert (found["tshark"]["ok"], found["tshark"]["found"]) == (True, "/bin/tshark")
    assert not found["namespaces"]["ok"]


def test_a_missing_package_names_pip(pktlab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_version", lambda package: None)
    found = findings(pktlab)
    assert (found["pyarrow"]["ok"], found["pyarrow"]["remedy"]) == (False, "pip install pyarrow")
