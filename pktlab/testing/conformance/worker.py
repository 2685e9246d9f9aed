"""The other side of the line: a process that runs a Python function or one of a shared library.

``python -m pktlab.testing.conformance.worker TARGET KIND`` reads a hex line a case and answers as any program under
test does: four hex digits, or 0 and 1. An exception is answered by a line that starts with ``!``. A library's function
is called twice, with the data at an even and at an odd address and other bytes around them, and both answers are given.
It imports nothing heavy, since a crash means that it starts again.
"""

from __future__ import annotations

import ctypes
import importlib
import operator
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["is_library", "load", "main", "shown"]

Function = Callable[..., Any]

_AROUND = 64
"""Bytes of other memory in front of and behind what a library's function is given."""


def is_library(target: str) -> bool:
    """Tell whether `target` is ``lib.so:name``.

    >>> is_library("./libsum.so:cksum"), is_library("mine:cksum")
    (True, False)
    """
    path, _, name = target.rpartition(":")
    return name.isidentifier() and Path(path).suffix in (".so", ".dylib", ".dll")


def load(target: str, kind: str) -> Function:
    """Return what `target` names as a function of bytes that answers with a number, or a tuple of them.

    Raises
    ------
    ImportError, AttributeError, OSError : there is no such module, function or library; a module raises what it likes
    """
    place, _, name = target.rpartition(":")
    if is_library(target):
        return _library_function(place, name, kind)
    found: Any = importlib.import_module(place)
    for part in name.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise AttributeError(f"{name} in {place} is no function")
    return found  # type: ignore[no-any-return]


def _library_function(path: str, name: str, kind: str) -> Function:
    library = ctypes.CDLL(str(Path(path).resolve()))
    function = library[name]
    pointers = 2 if kind == "update" else 1
    function.argtypes = [ctypes.c_uint16] * (pointers - 1) + [ctypes.c_void_p, ctypes.c_size_t] * pointers
    function.restype = ctypes.c_int if kind.startswith("verify-") else ctypes.c_uint16

    def call(*given: Any) -> tuple[int, ...]:
        numbers = [one for one in given if isinstance(one, int)]
        pieces = [one for one in given if isinstance(one, bytes)]
        answers = []
        for shift, around in ((0, b"\0\x5a"), (1, b"\xa5\x3c")):
            kept = [_placed(piece, shift, around[at : at + 1]) for at, piece in enumerate(pieces)]
            places = [value for memory, place, size in kept for value in (place, size)]
            answer = function(*numbers, *places)
            answers.append(int(bool(answer)) if kind.startswith("verify-") else answer)
        return tuple(answers)

    return call


def _placed(piece: bytes, shift: int, around: bytes) -> tuple[Any, int, int]:
    """Return memory with `piece` in it, where that is (a multiple of 16 and `shift`) and its size."""
    size = len(piece) + 2 * _AROUND
    memory = (ctypes.c_char * (size + 16)).from_buffer_copy(around * (size + 16))
    place = ctypes.addressof(memory)
    place += -place % 16 + _AROUND // 2 + shift
    ctypes.memmove(place, piece, len(piece))
    return memory, place, len(piece)


def shown(answer: Any, kind: str) -> str:
    """Return an answer as the line of a program; a ValueError says what is wrong with it.

    >>> shown(0x220D, "internet"), shown(True, "verify-internet"), shown((1, 2), "internet")
    ('220d', '1', '0001 0002')
    """
    answers = answer if isinstance(answer, tuple) else (answer,)
    return " ".join(_number(one, kind) for one in answers)


def _number(answer: Any, kind: str) -> str:
    try:
        number = operator.index(answer) if type(answer).__name__ not in ("bool", "bool_") else int(answer)
    except TypeError:
        raise ValueError(f"returned {answer!r:.60}, which is no number") from None
    if kind.startswith("verify-"):
        if number not in (0, 1):
            raise ValueError(f"returned {number}, which is neither True nor False")
        return str(number)
    if not 0 <= number <= 0xFFFF:
        raise ValueError(f"returned {number:#x}, which is outside 0..0xffff")
    return f"{number:04x}"


def answered(function: Function, given: tuple[Any, ...], kind: str) -> str:
    """Return the line that answers a case: what the function returns, or what went wrong behind a ``!``."""
    try:
        return shown(function(*given), kind)
    except ValueError as error:
        raised = "returned" not in str(error)
        return f"!{'raised ValueError: ' if raised else ''}{_one_line(error)}"
    except Exception as error:  # a user's function may raise anything
        return f"!raised {type(error).__name__}: {_one_line(error)}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def given_of(line: str) -> tuple[Any, ...]:
    r"""Return the arguments that a line of hex words stands for: bytes, or for an update a number and two of them.

    >>> given_of("dd2f 5555 3285"), given_of("-")
    ((56623, b'UU', b'2\x85'), (b'',))
    """
    words = [b"" if word == "-" else bytes.fromhex(word) for word in line.split()]
    return (int.from_bytes(words[0], "big"), *words[1:]) if len(words) == 3 else tuple(words)


def main() -> None:
    """Answer until standard input ends; what the function prints goes to standard error."""
    target, kind = sys.argv[1:]
    out, sys.stdout = sys.stdout, sys.stderr
    try:
        function = load(target, kind)
    except Exception as error:  # a user's module may raise anything
        out.write(f"?{type(error).__name__}: {_one_line(error)}\n")
        return
    out.write("!\n")
    out.flush()
    for line in sys.stdin:
        out.write(answered(function, given_of(line), kind) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
