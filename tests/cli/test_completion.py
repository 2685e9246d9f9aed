"""Completion: the scripts, and what they are answered."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_takes(shell: str, program: Any) -> None:
    script = program("completion", shell).stdout
    assert b"_PKTLAB_COMPLETE" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, timeout=60, check=True)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (
            "pktlab ",
            {
                "bt",
                "checksum",
                "completion",
                "craft",
                "demux",
                "dissect",
                "doctor",
                "echo",
                "export",
                "flows",
                "follow",
                "info",
                "lab",
                "query",
                "replay",
                "schema",
                "send",
                "sniff",
            },
        ),
        ("pktlab ch", {"checksum"}),
        ("pktlab checksum v", {"verify"}),
        ("pktlab dissect --fr", {"--frame", "--frames"}),
        ("pktlab dissect -T js", {"json", "jsonl"}),
        ("pktlab completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_what_is_offered(typed: str, offered: set[str], program: Any) -> None:
    words = typed.split(" ")
    env = {"_PKTLAB_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    done = program(env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert {line.partition(",")[2] for line in done.stdout.decode().splitlines()} == offered
