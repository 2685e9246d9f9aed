"""Every example in README.md and docs/ is run, and what it prints is what is shown.

A ``console`` block holds commands after ``$`` and their output, in which ``...`` stands for anything; a ``python``
block with ``>>>`` is a doctest; a ``python`` block whose first line is ``# NAME.py`` is a file that the other blocks
of the page use. ``sh`` blocks are not run: they install or clone.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pktlab.live.access import raw_socket_error

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

COMPILING = "pktlab: compiling the kernels: done once, some seconds\n"
"""What the first command in a fresh clone says, whichever that is."""


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """Return an empty folder with the captures in it, as the README's reader has them."""
    shutil.copytree(ROOT / "pcaps", tmp_path / "pcaps", ignore=shutil.ignore_patterns("recipes"))
    return tmp_path


def commands(block: str) -> list[tuple[str, str]]:
    """Return each command of a console block with the output shown."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command.strip(), shown) for command, _, shown in (part.partition("\n") for part in parts)]


def run(command: str, folder: Path) -> str:
    """Return what a command prints, standard error after standard output."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": tools, "COLUMNS": "110", "NO_COLOR": "1"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    return done.stdout + done.stderr.replace(COMPILING, "")


def matches(shown: str, printed: str) -> bool:
    """Compare with ``...`` standing for anything, and blanks at line ends for nothing."""

    def plain(text: str) -> str:
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())

    pattern = ".*".join(re.escape(part) for part in plain(shown).split("..."))
    return re.fullmatch(pattern, plain(printed), re.DOTALL) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples(page: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name == "live.md" and (why := raw_socket_error()):
        pytest.skip(f"raw sockets: {why}")
    monkeypatch.chdir(workplace)
    monkeypatch.syspath_prepend(str(workplace))
    names: dict[str, object] = {}
    for kind, block in BLOCK.findall(page.read_text()):
        named = re.match(r"# (\w+\.py)\n", block)
        if named:
            (workplace / named[1]).write_text(block)
        elif kind == "console":
            for command, shown in commands(block):
                printed = run(command, workplace)
                assert matches(shown, printed), f"$ {command}\n{printed}"
        elif kind == "python" and ">>>" in block:
            parsed = doctest.DocTestParser().get_doctest(block, names, page.name, str(page), 0)
            report: list[str] = []
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
            assert not runner.run(parsed, out=report.append, clear_globs=False).failed, "".join(report)
            names.update(parsed.globs)


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    linked = set(re.findall(r"\]\(([^)#:]+)\)", readme))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked
    assert all((ROOT / target).exists() for target in linked)


def test_matching_lets_only_dots_stand_for_anything() -> None:
    assert matches("a ... c\n", "a b\nb c \n")
    assert not matches("a\n", "a\nb\n")
