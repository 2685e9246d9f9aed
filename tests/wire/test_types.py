"""A user's header is typed: mypy --strict knows its fields, and refuses wrong names and types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """
from construct import GreedyBytes, Int8ub, this
from pktlab.wire import AUTO, Bounded, Header, field

class Note(Header, layer="note"):
    kind: int = field(Int8ub, "Kind")
    length: int = field(Int8ub, "Length", default=AUTO)
    text: bytes = field(Bounded(this.length, GreedyBytes), "Text")

note = Note(kind=1, text=b"hi")
number: int = Note.parse(note.build()).kind + note.replace(kind=2).kind
again: Note = Note.parse(bytes(note))
"""
BAD = {
    'Note(kind="one", text=b"hi")': "arg-type",
    "Note(kind=1)": "call-arg",
    'Note(kind=1, txt=b"hi")': "call-arg",
    'Note(1, b"hi")': "call-arg",
    "note.knd": "attr-defined",
    "word: str = note.kind": "assignment",
    "note.kind = 2": "misc",
}


def mypy(source: str, folder: Path) -> str:
    """Return what mypy --strict says of `source`."""
    module = folder / "user_module.py"
    module.write_text(source)
    root = Path(__file__).resolve().parents[2]
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--ignore-missing-imports",
        "--cache-dir",
        str(folder),
        str(module),
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env={"MYPYPATH": str(root)})
    return done.stdout + done.stderr


def test_mypy_knows_a_users_header_and_refuses_wrong_names_and_types(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    first = GOOD.count("\n") + 1
    said = mypy(GOOD + "\n".join(BAD) + "\n", tmp_path)
    for number, (line, code) in enumerate(BAD.items(), first):
        assert any(f"user_module.py:{number}:" in one and f"[{code}]" in one for one in said.splitlines()), (line, said)
    assert all(int(one.split(":")[1]) >= first for one in said.splitlines() if "user_module.py:" in one), said
