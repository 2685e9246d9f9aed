"""What the handbook shows works in an empty project, with pktlab installed from a wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    find_spec("pip") is None or find_spec("setuptools") is None, reason="pip and setuptools build and install the wheel"
)

ROOT = Path(__file__).resolve().parents[2]
WRONG = """
from pktlab.testing import assert_checksum_conformant

def test_wrong():
    assert_checksum_conformant(lambda packet: 7, kind="udp4")
"""


def run(*words: str | Path, folder: Path) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"})
    return done.stdout + done.stderr


def test_the_handbook_s_test_file_works_from_a_wheel(tmp_path: Path) -> None:
    python = installed(tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    (file,) = re.findall(r"^```python\n(# test_mine\.py\n.*?)^```", (ROOT / "docs/testing.md").read_text(), re.M | re.S)
    assert len([line for line in file.splitlines() if line]) <= 11  # ten, and its name
    (project / "test_mine.py").write_text(file)
    (project / "test_wrong.py").write_text(WRONG)
    said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=project)
    assert "1 failed, 2 passed" in said, said
    assert "pktlab craft " in said
    assert (project / "pktlab-failures" / "test_wrong.py-test_wrong.pcapng").is_file()
    where = run(python, "-c", "import pktlab; print(pktlab.__file__)", folder=project)
    assert str(tmp_path) in where


def installed(folder: Path) -> Path:
    """Make an environment that has a wheel of this project, and sees what else is installed here; return its Python."""
    source = folder / "source"
    for name in ("pktlab", "cli"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    said = run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source, folder=folder)
    (wheel,) = list(folder.glob("*.whl")) or pytest.fail(said)
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env", folder=folder)
    python = folder / "env" / "bin" / "python"
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    (site / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    said = run(*pip, "install", "--no-deps", "--no-index", "--target", site, wheel, folder=folder)
    assert (site / "pktlab").is_dir(), said
    return python
