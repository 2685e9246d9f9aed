"""The table of commands: each is there, helps itself, starts quickly, and its examples work."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from pktlab_cli.errors import run
from pktlab_cli.groups import LazyGroup
from pktlab_cli.main import cli

import pktlab as package
from pktlab.live.access import raw_socket_error

HEAVY = ("scapy", "numba", "numpy", "construct", "rich", "pyarrow", "hypothesis", "zstandard", "asyncio")


def every_command(group: click.Command, words: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(group, LazyGroup):
        return [(words, group)]
    found: list[tuple[tuple[str, ...], click.Command]] = [(words, group)]
    for name in group.lazy:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        found += every_command(command, (*words, name))
    return found


COMMANDS = every_command(cli)
EXAMPLES = list(dict.fromkeys(example for _, command in COMMANDS for example in getattr(command, "examples", ())))
COMPILING = b"pktlab: compiling the kernels: done once, some seconds\n"
"""What the first command in a fresh clone says, whichever that is."""


def test_all_commands_of_the_issue_are_there() -> None:
    names = {" ".join(words) for words, _ in COMMANDS}
    assert names >= {
        "info", "dissect", "checksum verify", "checksum explain", "checksum flip", "checksum compute", "schema list",
        "schema show", "doctor", "completion",
    }  # fmt: skip


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=[" ".join(words) or "pktlab" for words, _ in COMMANDS])
def test_every_command_helps_itself_and_shows_examples(words: tuple[str, ...], command: Any, pktlab: Any) -> None:
    for option in ("-h", "--help"):
        result = pktlab(*words, option)
        assert (result.status, result.err) == (0, "")
        assert result.out.startswith(f"Usage: {' '.join(('pktlab', *words))} ")
        assert "Examples:\n  pktlab " in result.out
    assert command.name == (words[-1] if words else "pktlab")


@pytest.fixture
def shell(tmp_path: Path, environment: dict[str, str]) -> Callable[[str], tuple[int, bytes, bytes]]:
    """Run a line as a shell does: return its status, and what came on standard output and standard error."""
    shim = tmp_path / "pktlab"
    shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pktlab_cli "$@"\n')
    shim.chmod(0o755)
    env = environment | {"PATH": f"{tmp_path}{os.pathsep}{environment['PATH']}"}

    def call(line: str) -> tuple[int, bytes, bytes]:
        done = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=env, capture_output=True, timeout=200, check=False)
        return done.returncode, done.stdout, done.stderr

    return call


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_in_the_help_work(
    example: str,
    tmp_path: Path,
    first_light: Path,
    shell: Callable[[str], tuple[int, bytes, bytes]],
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    is_live = re.search("pktlab (sniff|send|replay) | -i ", example) is not None
    if (is_live or "--trace" in example) and (why := raw_socket_error()):
        pytest.skip(why)
    line = example.replace("pcaps/", f"{shlex.quote(str(first_light.parent))}/")
    (tmp_path / "README.md").write_text("any file\n")
    if is_live or " | " in example or " < " in example:
        status, out, err = shell(line)
    else:  # in this process, since starting one takes longer than what most of them do
        monkeypatch.chdir(tmp_path)
        status = run(cli, shlex.split(line)[1:])
        out, err = capsysbinary.readouterr()
    err = err.replace(COMPILING, b"")
    counts = "checksum fix" in example or is_live  # what it did, on standard error
    assert (err == b"") != counts, err
    files = ("fixed.pcapng", "slice.pcapng.gz", "packets.parquet", "packets.arrow", "out", "out.svg")
    assert out or is_live or any((tmp_path / name).exists() for name in files)
    assert status == (1 if "verify" in example else 0)  # one datagram in it is damaged on purpose


def test_nothing_that_a_shell_would_eat_stands_unquoted_in_an_example() -> None:
    for example in EXAMPLES:
        bare = re.sub("'[^']*'", "", example).replace(" | pktlab ", " ")  # a pipe that is meant
        assert not any(char in bare for char in "*?$`;&|()"), example


def test_help_loads_nothing_heavy(environment: dict[str, str]) -> None:
    code = (
        "import sys; from pktlab_cli.errors import run; from pktlab_cli.main import cli; run(cli, ['--help'])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert "click" in loaded
    assert not set(HEAVY) & set(loaded)


BULK = {"numba", "llvmlite", "numpy", "pandas", "pyarrow", "duckdb"}
NEVER = {"scapy", "hypothesis", "rich", "zstandard", "asyncio"}
PARTS = {"lark", "pktlab.columns.filters.check", "pktlab.capture.hexdump", "pktlab.wire.flip", "pktlab.wire.explain"}
"""What few commands ask for."""
TABLES = {"numba", "llvmlite", "pandas"}


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        ("info FILE", BULK | PARTS),
        ("dissect FILE", BULK | PARTS),
        ("dissect FILE -V -x", BULK | PARTS),
        ("dissect FILE -T jsonl -e ip.src", BULK | PARTS),
        ("dissect FILE -T fields -e ip.src -e udp.checksum.verdict", BULK | PARTS),
        ("dissect FILE -Y udp.length>8", BULK),
        ("checksum verify FILE", BULK | PARTS),
        ("checksum explain FILE --frame 1", BULK | PARTS - {"pktlab.wire.explain"}),
        ("export FILE -o - --format arrow", TABLES | PARTS | {"duckdb"}),
        ("query FILE SQL", TABLES | PARTS),
    ],
)
def test_a_small_capture_loads_only_what_it_needs(
    arguments: str, unwanted: set[str], good: Path, environment: dict[str, str]
) -> None:
    code = (
        "import sys; from pktlab_cli.errors import run; from pktlab_cli.main import cli\n"
        "run(cli, sys.argv[1:])\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    known = {"FILE": str(good), "SQL": "select ip.src, count(*) from packets group by all"}
    words = [known.get(word, word) for word in arguments.split()]
    done = subprocess.run([sys.executable, "-c", code, *words], env=environment, capture_output=True, check=True)
    loaded = set(done.stderr.decode().splitlines()[-1].split())
    assert "construct" in loaded
    assert not (unwanted | NEVER) & loaded


def test_bare_pktlab_is_a_question_for_help(pktlab: Any) -> None:
    assert pktlab() == pktlab("--help")
    assert pktlab("checksum") == pktlab("checksum", "--help")


def test_version(pktlab: Any) -> None:
    assert pktlab("--version") == (0, f"pktlab {package.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["disect"], "there is no command 'disect', did you mean dissect? (see pktlab --help)"),
        (["zzz"], "there is no command 'zzz' (see pktlab --help)"),
        (["checksum", "veriify"], "there is no command 'veriify', did you mean verify? (see pktlab checksum --help)"),
        (["doctor", "--jason"], "there is no option --jason, did you mean --json? (see pktlab doctor --help)"),
    ],
)  # fmt: skip
def test_a_slip_of_the_finger_is_answered_with_the_nearest_name(arguments: list[str], said: str, pktlab: Any) -> None:
    assert pktlab(*arguments) == (2, "", f"pktlab: {said}\n")


def test_narrow_terminals_get_narrow_help(program: Any) -> None:
    out = program("dissect", "--help", env={"COLUMNS": "50"}).stdout.decode()
    described = out[: out.index("Examples:")]
    assert max(len(line) for line in described.splitlines()) <= 50


def test_help_fits_80_columns(pktlab: Any) -> None:
    for words, _ in COMMANDS:
        out = pktlab(*words, "--help").out
        described = out[: out.index("Examples:")]
        assert max(len(line) for line in described.splitlines()) <= 80, words
