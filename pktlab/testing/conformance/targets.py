"""What is under test, behind one door: `ask` it cases, and have an answer to each.

`Direct` calls a function in this process. `Program` talks to a process over lines of hex and survives whatever that
does: an answer that does not come, a line that is no answer and the end of the process are answers too. A Python
function named on the command line, and that of a library, run in such a process (`worker`).
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pktlab.errors import PktlabError
from pktlab.testing.conformance.kinds import Case, Kind
from pktlab.testing.conformance.worker import answered, is_library

__all__ = ["Answer", "Direct", "Program", "Target", "TargetError", "open_target"]

START_S = 20.0
"""How long a process may take to its first answer."""
PATIENCE_S = 1.5
"""How long any other answer may take, for data of up to an Ethernet frame; more for larger ones."""
AHEAD = 64
"""Cases that are sent before the first of them is answered."""


class TargetError(PktlabError):
    """A target that cannot be run; the message names it and the reason."""


class Answer(NamedTuple):
    """What came back: one or more numbers, or in `trouble` why there is none; `hung`: because none came in time."""

    values: tuple[int, ...]
    trouble: str = ""
    hung: bool = False

    @property
    def ends(self) -> bool:
        """Whether the process did not outlive it."""
        return bool(self.trouble) and not self.trouble.startswith(("raised", "returned"))

    def is_right(self, case: Case) -> bool:
        """Tell whether it is the answer to `case`."""
        return not self.trouble and all(value == case.right for value in self.values)

    def value(self, case: Case) -> int | None:
        """Return the number, of several the first that is wrong; None if there is none."""
        return next((one for one in self.values if one != case.right), *self.values[:1]) if self.values else None


class Target(Protocol):
    """Anything that answers cases."""

    name: str

    def ask(self, cases: Sequence[Case]) -> Iterator[Answer]:
        """Yield the answer to each of `cases`, in their order."""

    def close(self) -> None:
        """End what was started."""


def parsed(line: str, kind: Kind) -> Answer:
    """Return the answer that a line is.

    >>> from pktlab.testing.conformance.kinds import KINDS
    >>> parsed("220d", KINDS["internet"]), parsed("hello", KINDS["internet"]).trouble
    (Answer(values=(8717,), trouble='', hung=False), "answered 'hello' instead of four hex digits")
    """
    if line.startswith("!"):
        return Answer((), line[1:])
    width, said = (1, "0 or 1") if kind.is_verify else (4, "four hex digits")
    words = line.split() if kind.is_verify or len(line) != 4 else [line]
    try:
        values = tuple(int(word, 16) for word in words)
    except ValueError:
        values = ()
    if not values or any(len(word) != width for word in words) or (kind.is_verify and max(values) > 1):
        return Answer((), f"answered {line[:60]!r} instead of {said}")
    return Answer(values)


class Direct:
    """A function of this process.

    >>> from pktlab.testing.conformance.kinds import KINDS, case_of
    >>> kind = KINDS["internet"]
    >>> list(Direct(lambda data: 7, kind).ask([case_of(kind, (b"a",))]))
    [Answer(values=(7,), trouble='', hung=False)]
    """

    def __init__(self, function: Callable[..., Any], kind: Kind) -> None:
        self.function = function
        self.kind = kind
        self.name = getattr(function, "__qualname__", repr(function))

    def ask(self, cases: Sequence[Case]) -> Iterator[Answer]:
        """Yield the answer to each of `cases`."""
        for case in cases:
            line = answered(self._call, case.given, self.kind.name)
            yield parsed(line, self.kind)

    def _call(self, *given: Any) -> Any:
        answer = self.function(*given)
        if self.kind.is_verify and not isinstance(answer, tuple):
            return bool(answer)
        return answer

    def close(self) -> None:
        """Do nothing."""


class Program:
    """A process that answers lines. It is started when it is first asked, and again when it has ended.

    Its standard output is a terminal where there are any, so that the C library and others pass on each line at once.
    """

    def __init__(self, words: Sequence[str], kind: Kind, name: str, *, greets: bool = False) -> None:
        self.words = list(words)
        self.kind = kind
        self.name = name
        self.greets = greets  # it says a line when it is ready
        self.process: subprocess.Popen[bytes] | None = None
        self._out = -1
        self._first_s = START_S
        self._rest = b""

    def ask(self, cases: Sequence[Case]) -> Iterator[Answer]:
        """Yield the answer to each of `cases`; behind one that got none the process is started anew."""
        at = 0
        while at < len(cases):
            if self.process is None:
                self._start()
            for answer in self._exchange(cases[at : at + AHEAD]):
                at += 1
                if answer.ends:
                    self.close()
                yield answer
                if answer.ends:
                    break

    def _exchange(self, cases: Sequence[Case]) -> Iterator[Answer]:
        process = self.process
        assert process is not None
        assert process.stdin is not None
        waiting = b"".join(_line(case) for case in cases)
        for case in cases:
            patience = PATIENCE_S * (1 + case.size / 16_384) + (0 if self.greets else self._first_s)
            until = time.monotonic() + patience
            while b"\n" not in self._rest:
                left = until - time.monotonic()
                writes = [process.stdin] if waiting else []
                readable, writable, _ = select.select([self._out], writes, [], max(left, 0))
                if not readable and not writable:
                    yield Answer((), f"gave no answer within {patience:.1f} s", hung=True)
                    return
                if writable:
                    waiting = waiting[self._write(waiting) :]
                if readable and not self._read():
                    yield Answer((), _end_of(process))
                    return
            line, _, self._rest = self._rest.partition(b"\n")
            self._first_s = 0.0
            yield parsed(line.strip().decode("ascii", "backslashreplace"), self.kind)

    def _write(self, data: bytes) -> int:
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            return os.write(self.process.stdin.fileno(), data[:65536])
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            return len(data)  # its end is read on the other side

    def _read(self) -> bool:
        try:
            data = os.read(self._out, 65536)
        except OSError:  # Linux says EIO where a terminal's other end is closed
            data = b""
        self._rest += data
        return bool(data)

    def _start(self) -> None:
        self._rest, self._first_s = b"", START_S
        inner = self._open_output()
        try:
            self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=inner, stderr=subprocess.DEVNULL)
        except OSError as error:
            raise TargetError(f"{self.name}: {self.words[0]}: {error.strerror or error}") from None
        finally:
            if inner != subprocess.PIPE:
                os.close(inner)
        if inner == subprocess.PIPE:
            assert self.process.stdout is not None
            self._out = self.process.stdout.fileno()
        assert self.process.stdin is not None
        os.set_blocking(self.process.stdin.fileno(), False)
        if self.greets:
            self._greet()

    def _open_output(self) -> int:
        """Return what the process writes to: a terminal that changes nothing, or a pipe."""
        if self.greets or not hasattr(os, "openpty"):
            return subprocess.PIPE
        import tty

        self._out, inner = os.openpty()
        tty.setraw(inner)
        return inner

    def _greet(self) -> None:
        """Wait for the worker's first line; it says what keeps it from working."""
        while b"\n" not in self._rest:
            readable, _, _ = select.select([self._out], [], [], START_S)
            if not readable or not self._read():
                why = _end_of(self.process) if readable and self.process else f"is not ready within {START_S:.0f} s"
                self.close()
                raise TargetError(f"{self.name}: {why}")
        line, _, self._rest = self._rest.partition(b"\n")
        if line.startswith(b"?"):
            self.close()
            raise TargetError(f"{self.name}: {line[1:].decode('ascii', 'backslashreplace')}")

    def close(self) -> None:
        """End the process."""
        process, self.process = self.process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        else:
            os.close(self._out)


def _line(case: Case) -> bytes:
    words = (f"{one:04x}" if isinstance(one, int) else one.hex() or "-" for one in case.given)
    return " ".join(words).encode() + b"\n"


def _end_of(process: subprocess.Popen[bytes]) -> str:
    try:
        status = process.wait(1)
    except subprocess.TimeoutExpired:
        return "closed its output"
    if status < 0:
        return f"crashed with {signal.Signals(-status).name}"
    return f"ended with status {status} before it answered"


def open_target(target: str, kind: Kind) -> Target:
    """Return what `target` names: ``module:function``, ``lib.so:name``, or a program with its arguments.

    Raises
    ------
    TargetError : there is no such program or library; a module is imported when it is first asked

    >>> from pktlab.testing.conformance.kinds import KINDS
    >>> open_target("no-such-program --sum", KINDS["internet"])
    Traceback (most recent call last):
        ...
    pktlab.testing.conformance.targets.TargetError: no-such-program --sum: there is no program no-such-program; ...
    """
    place, _, name = target.rpartition(":")
    if is_library(target):
        if not Path(place).is_file():
            raise TargetError(f"{target}: there is no file {place}")
    elif place.endswith(".py") and name.isidentifier():
        raise TargetError(f"{target}: a module is named without its path: {Path(place).stem}:{name}, in its folder")
    elif not _is_python(place, name):
        return Program(_words(target), kind, target)
    worker = [sys.executable, "-m", "pktlab.testing.conformance.worker", target, kind.name]
    return Program(worker, kind, target, greets=True)


def _words(target: str) -> list[str]:
    """Return the words of a command line, the first of them a program that there is."""
    try:
        words = shlex.split(target)
    except ValueError as error:
        raise TargetError(f"{target}: {error}") from None
    if words and shutil.which(words[0]) is not None:
        return words
    if words and Path(words[0]).is_file():
        raise TargetError(f"{target}: {words[0]} cannot be run as it is: make it executable, or name what runs it")
    what = f"there is no program {words[0]}" if words else "there is no program without a name"
    raise TargetError(f"{target}: {what}; a function is MODULE:FUNCTION, or LIBRARY.so:FUNCTION")


def _is_python(place: str, name: str) -> bool:
    """Tell whether ``place:name`` can be a module and what is in it."""
    return all(part.isidentifier() for one in (place, name) for part in one.split("."))
