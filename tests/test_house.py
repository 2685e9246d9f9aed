"""Rules of the house that no linter knows: sizes, what is imported where, what may not stand in a file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted([*(ROOT / "pktlab").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])
NAMES = [str(path.relative_to(ROOT)) for path in SOURCES]
MAX_MODULE, MAX_FUNCTION = 400, 60
KERNELS = "pktlab/columns/kernels"
"""A kernel is one loop over packets, whose state a function of its own would have to be given and give back."""


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_a_module_fits_one_sitting_and_a_function_one_look(path: Path) -> None:
    if KERNELS in path.as_posix():
        return
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE
    long = [one.name for one in functions(path) if (one.end_lineno or 0) - one.lineno >= MAX_FUNCTION]
    assert long == []


def test_nine_functions_in_ten_fit_thirty_lines() -> None:
    lengths = sorted((one.end_lineno or 0) - one.lineno + 1 for path in SOURCES for one in functions(path))
    assert lengths[len(lengths) * 9 // 10] <= 30


@pytest.mark.parametrize("path", [path for path in SOURCES if "pktlab_cli" not in path.parts], ids=str)
def test_nothing_inside_imports_the_front_page(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert "pktlab" not in [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert node.module != "pktlab"


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_no_broad_except_but_for_a_user_s_code_what_is_taken_down_and_errors_for_another_thread() -> None:
    broad = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if re.search(r"except(\s+(Base)?Exception\b[^:]*)?:", path.read_text(encoding="utf-8"))
    ]
    assert broad == [
        "pktlab/columns/crew.py", "pktlab/live/sandbox.py", "pktlab/schemas.py", "pktlab/testing/conformance/worker.py",
    ]  # fmt: skip
