"""Functions, shared libraries and programs under the kit: what is wrong is found, what goes wrong is told."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pktlab.testing.conformance.kinds import KINDS
from pktlab.testing.conformance.report import Report
from pktlab.testing.conformance.run import fuzz
from pktlab.testing.conformance.targets import TargetError, open_target

HERE = Path(__file__).parent
PROGRAM = """
import sys
from pktlab.wire.checksum import checksum
for line in sys.stdin:
    data = bytes.fromhex(line.strip().replace("-", ""))
    print(ANSWER)
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile sums.c."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler cc")
    path = tmp_path_factory.mktemp("library") / "libsums.so"
    options = ["-std=c99", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-fwrapv"]
    subprocess.run([compiler, *options, "-o", path, HERE / "sums.c"], check=True)
    return path


def tried(target: str, kind: str = "internet", most: int = 3000) -> Report:
    return fuzz(open_target(target, KINDS[kind]), KINDS[kind], max_examples=most)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("right", "internet"), ("right_native", "internet"), ("right", "ipv4"), ("verify", "verify-internet"),
     ("verify", "verify-ipv4"), ("update", "update")],
)  # fmt: skip
def test_right_functions_of_a_library_survive(library: Path, name: str, kind: str) -> None:
    report = tried(f"{library}:{name}", kind)
    assert report.survived, list(report.lines())


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("reads_on", 1, "bytes outside of the data are read"), ("short_length", 65536, "the length is kept in 16 bits"),
        ("aligned_only", 1, "or an address has to be even"), ("off_by_one", 1, "the last byte is left out"),
        ("signed_char", 1, "signed"), ("carry_16", 3, "carries out of the 16 bits are dropped"),
        ("carry_32", 5, "carries out of 32 bits are dropped"), ("one_fold", 5, "added back once"),
        ("crashes", 77, "it crashed with SIGSEGV"), ("hangs", 33, "it gave no answer within 1.5 s"),
    ],
)  # fmt: skip
def test_faults_of_a_library_are_found_and_named(library: Path, name: str, size: int, said: str) -> None:
    report = tried(f"{library}:{name}")
    assert report.case is not None
    assert size <= report.case.size <= size + 3
    assert said in "\n".join(report.lines())


def test_a_verifier_that_takes_everything(library: Path) -> None:
    report = tried(f"{library}:verify_yes", "verify-internet")
    assert report.mistake is not None
    assert report.mistake.name == "yes"


def program(tmp_path: Path, answer: str) -> str:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.replace("ANSWER", answer))
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(path))}"


def test_a_right_program_survives_though_it_never_flushes(tmp_path: Path) -> None:
    assert tried(program(tmp_path, '"%04x" % checksum(data)')).survived


@pytest.mark.parametrize(
    ("answer", "size", "said"),
    [
        ('"%04x" % checksum(data[: len(data) & ~1])', 1, "an odd last byte is left out"),
        ('"%04x" % checksum(data) if len(data) != 50 else "no idea"', 50, "answered 'no idea' instead of four"),
        ('"%x" % checksum(data)', 1, "instead of four hex digits"),
        ('"%04x" % checksum(data) if len(data) < 90 else sys.exit(3)', 90, "ended with status 3 before it answered"),
        ('"%04x" % checksum(data) if len(data) < 90 else [0][1]', 90, "ended with status 1 before it answered"),
    ],
    ids=["odd", "garbage", "short", "exit", "exception"],
)  # fmt: skip
def test_faults_of_a_program_are_found_and_told(tmp_path: Path, answer: str, size: int, said: str) -> None:
    report = tried(program(tmp_path, answer))
    assert report.case is not None
    assert size <= report.case.size <= size + 4
    assert said in "\n".join(report.lines())


def test_a_program_that_never_answers_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pktlab.testing.conformance.targets.START_S", 0.5)
    report = tried(program(tmp_path, "end=''"))
    assert "gave no answer within 2.0 s" in "\n".join(report.lines())
    assert "it has answered nothing at all" in report.note


def test_what_stands_around_old_and_new_bytes_does_not_cancel(library: Path) -> None:
    report = tried(f"{library}:update_reads_on", "update")
    assert report.case is not None
    assert report.case.size == 2
    assert "bytes outside of the data are read" in "\n".join(report.lines())


def test_an_update_program_gets_three_words(tmp_path: Path) -> None:
    path = tmp_path / "update.py"
    path.write_text(
        "import sys\nfrom pktlab.wire.checksum import update\n"
        "for line in sys.stdin:\n"
        "    old, *both = line.split()\n"
        "    a, b = (bytes.fromhex(one.replace('-', '')) for one in both)\n"
        "    print('%04x' % update(int(old, 16), a, b))\n"
    )
    assert tried(f"{shlex.quote(sys.executable)} {shlex.quote(str(path))}", "update", 1500).survived


def test_modules_of_the_current_directory_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("from pktlab.wire.checksum import checksum\nprint('loaded')\nANSWER = 42\n")
    monkeypatch.chdir(tmp_path)
    assert tried("mine:checksum", most=500).survived
    for target, said in (("mine:nothing", "no attribute 'nothing'"), ("none:f", "No module named 'none'")):
        with pytest.raises(TargetError, match=said):
            tried(target)
    with pytest.raises(TargetError, match="is no function"):
        tried("mine:ANSWER")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("./none.so:f", "there is no file ./none.so"), ("no-such-program", "there is no program"), ("'", "No closing"),
        ("mine.py:f", "a module is named without its path: mine:f"), ("mine", "a function is MODULE:FUNCTION"),
        ("", "there is no program without a name"), (str(Path(__file__)), "cannot be run as it is: make it executable"),
    ],
    ids=["library", "program", "quote", "file", "module", "nothing", "text"],
)  # fmt: skip
def test_what_cannot_be_run(target: str, said: str) -> None:
    with pytest.raises(TargetError, match=said):
        open_target(target, KINDS["internet"])


def test_a_library_without_the_function(library: Path) -> None:
    with pytest.raises(TargetError, match="undefined symbol: nothing"):
        tried(f"{library}:nothing")
