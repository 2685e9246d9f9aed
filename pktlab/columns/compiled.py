"""Kernels compiled once, and loaded without Numba: that alone takes half a second in each new process.

`kernel` makes of a function over arrays and numbers what is called like it. The first call with arguments of some types
has Numba compile it, behind an entry that takes all arguments as one block of 64-bit words, and keeps the object code
in a file. Later processes load that file with llvmlite and call the entry by its address, without the interpreter's
lock.

- A file (see `stored`) is named after what it depends on: the text of this module and of those with kernels, llvmlite,
  which goes with one Numba, the processor, Python, and the types of the arguments.
- Object code is kept if it needs nothing of Numba's run-time: no exception, no array of its own.
- With any of Numba's own settings in the environment but the folder of its cache, as the tests have that check bounds,
  everything is as Numba does it, its cache too.

In `kernels*.py` stands `kernel` over what is called from Python, `inlined` or `called` over what is called from
kernels, and `intrinsic` where Numba has that; `types` and `ir` are Numba's and llvmlite's, imported when they are
asked for.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import re
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from pktlab.columns import stored

__all__ = ["Kernel", "called", "inlined", "intrinsic", "ir", "kernel", "types"]

_Function = Callable[..., Any]
_OBJECT = object.__basicsize__
_ENTRY = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
"""Status of: where the result goes, where an exception goes, the block of arguments. As Numba calls functions."""
_MOST_RESULTS = 8
_Results = ctypes.c_int64 * _MOST_RESULTS
_NEEDED = re.compile(r'^declare [^@]*@"?([\w.$]+)', re.MULTILINE)
_PLAIN = re.compile(r"llvm\.|mem(cpy|move|set)$")
"""What is there without Numba's run-time."""
_lock = threading.RLock()


class _Later:
    """A module that is imported when something of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._name), name)


types: Any = _Later("numba.types")
ir: Any = _Later("llvmlite.ir")


class _Part:
    """A function that kernels call: made ready by Numba when one of them is compiled."""

    def __init__(self, function: _Function, make: Callable[[FunctionType], Any]) -> None:
        self._function, self._make = function, make

    @cached_property
    def made(self) -> Any:
        """What Numba makes of it."""
        return self._make(_with_parts(self._function))


def intrinsic(function: _Function) -> Any:
    """Declare an intrinsic of Numba's."""
    return _Part(function, lambda plain: _numba("extending").intrinsic(plain))


def inlined(function: _Function) -> Any:
    """Declare a function that is put into the kernels that call it."""
    return _Part(function, lambda plain: _njit(forceinline=True)(plain))


def called(function: _Function) -> Any:
    """Declare a function that kernels call, and that stands there once."""
    return _Part(function, lambda plain: _njit()(plain))


def _numba(name: str = "") -> Any:
    """Return Numba, or a module of it."""
    import numba

    return importlib.import_module(f"numba.{name}") if name else numba


def _njit(**options: Any) -> Any:
    return _numba().njit(nogil=True, error_model="numpy", **options)


def _with_parts(function: _Function) -> FunctionType:
    """Return a function that finds what Numba made of the parts that it calls."""
    assert isinstance(function, FunctionType)
    called = {name: function.__globals__.get(name) for name in function.__code__.co_names}
    made = {name: one.made for name, one in called.items() if isinstance(one, _Part)}
    return FunctionType(function.__code__, function.__globals__ | made, function.__name__, function.__defaults__)


class Kernel:
    """A function over arrays and numbers, compiled for the types that it is called with.

    It takes NumPy arrays, integers and truth values, and returns None, an integer or a tuple of some.
    """

    def __init__(self, function: _Function) -> None:
        self.py_func = function
        self._known: dict[tuple[Any, ...], Callable[[Sequence[Any]], Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function returns; the first time, it is loaded or compiled."""
        return self.entry(arguments)(arguments)

    def entry(self, arguments: Sequence[Any]) -> Callable[[Sequence[Any]], Any]:
        """Return what is called with arguments of these kinds."""
        kinds = _kinds(arguments)
        entry = self._known.get(kinds)
        if entry is None:
            with _lock:
                entry = self._known[kinds] = self._known.get(kinds) or self._entry(arguments)
        return entry

    def bound(self, *last: Any) -> Callable[..., Any]:
        """Return the kernel with its last arguments given, which are looked at once, not in each call."""
        return _Bound(self, last)

    @property
    def is_stored(self) -> bool:
        """Whether it lies compiled on the disk, for some types."""
        return any(any(folder.glob(f"{self._stem}-*.o")) for folder in stored.folders())

    def _entry(self, arguments: Sequence[Any]) -> Callable[[Sequence[Any]], Any]:
        if _settings() or not _is_readable() or not all(map(_is_plain, arguments)):
            return self._by_numba
        name = f"{self._stem}-{stored.digest(repr([_kind(one) for one in arguments]).encode())}.o"
        code = stored.read(name)
        if code is None:
            code = _compiled(name, _with_parts(self.py_func), arguments)
            if code is None:
                return self._by_numba
            stored.write(name, code)
        return _Entry(code, arguments)

    @cached_property
    def _stem(self) -> str:
        texts = [path.read_bytes() for path in sorted({*_sources(), Path(self.py_func.__code__.co_filename)})]
        about = f"{_machine()} {sys.implementation.cache_tag} {np.__version__.partition('.')[0]}".encode()
        return f"{self.py_func.__name__}-{stored.digest(*texts, about)}"

    @cached_property
    def jitted(self) -> Any:
        """The function as Numba dispatches and keeps it."""
        return _njit(cache=True)(_with_parts(self.py_func))

    def _by_numba(self, arguments: Sequence[Any]) -> Any:
        return self.jitted(*arguments)


kernel = Kernel


class _Bound:
    """A kernel and its last arguments."""

    def __init__(self, kernel: Kernel, last: tuple[Any, ...]) -> None:
        self._kernel, self._last = kernel, last
        self._known: dict[tuple[Any, ...], Callable[[Sequence[Any]], Any]] = {}

    def __call__(self, *first: Any) -> Any:
        kinds = _kinds(first)
        entry = self._known.get(kinds)
        if entry is None:
            whole = self._kernel.entry((*first, *self._last))
            entry = self._known[kinds] = whole.bound(self._last) if isinstance(whole, _Entry) else self._plain(whole)
        return entry(first)

    def _plain(self, whole: Callable[[Sequence[Any]], Any]) -> Callable[[Sequence[Any]], Any]:
        return lambda first: whole((*first, *self._last))


@cache
def _sources() -> tuple[Path, ...]:
    """Return the modules that kernels are made of."""
    return Path(__file__), *Path(__file__).parent.glob("kernels*.py")


# ---- arguments


def _kinds(arguments: Sequence[Any]) -> tuple[Any, ...]:
    """Return what tells apart arguments that one entry does not do for."""
    return tuple([(one.dtype, one.ndim, one.flags.num) if type(one) is np.ndarray else type(one) for one in arguments])


def _is_plain(one: Any) -> bool:
    """Tell whether the entry can take an argument."""
    if type(one) is np.ndarray:
        return one.flags.aligned and one.dtype.isnative and not one.dtype.hasobject and one.ndim > 0
    return isinstance(one, int | np.integer | np.bool_) and -(1 << 63) <= int(one) < 1 << 63


def _kind(one: Any) -> tuple[Any, ...]:
    """Return what the code for an argument depends on."""
    if isinstance(one, np.ndarray):
        return "array", one.dtype.descr, one.dtype.itemsize, one.ndim, bool(one.flags.c_contiguous)
    return ("truth" if isinstance(one, bool | np.bool_) else "number",)


@cache
def _is_readable() -> bool:
    """Tell whether arrays lie in memory as all that is compiled against NumPy takes it: data, axes, shape, strides."""
    one = np.zeros((2, 3), np.int16)
    words = (ctypes.c_int64 * 4).from_address(id(one) + _OBJECT)
    if (words[0], words[1] & 0xFFFF) != (one.ctypes.data, one.ndim):
        return False
    shape, strides = ((ctypes.c_int64 * 2).from_address(words[place]) for place in (2, 3))
    return (*shape, *strides) == (*one.shape, *one.strides)


class _Entry:
    """Object code, loaded; called with the arguments that it was compiled for."""

    def __init__(self, code: bytes, arguments: Sequence[Any]) -> None:
        symbol, _, data = code[1:].partition(b"\0")
        self._engine = _engine(data)  # which keeps the code in memory
        self._call = _ENTRY(self._engine.get_function_address(symbol.decode()))
        self._results = code[0]

    def __call__(self, arguments: Sequence[Any]) -> Any:
        """Call the code."""
        return self._run(_words(arguments))

    def bound(self, last: Sequence[Any]) -> Callable[[Sequence[Any]], Any]:
        """Return what is called with the first arguments; `last` are kept by whoever calls it."""
        words = _words(last)
        return lambda first: self._run(_words(first) + words)

    def _run(self, block: bytes) -> Any:
        found = _Results()
        if self._call(found, _Results(), block):
            raise RuntimeError("a kernel ended in an exception")  # none of them has a way to
        if self._results <= 1:
            return found[0] if self._results else None
        return tuple(found[: self._results])


def _words(arguments: Sequence[Any]) -> bytes:
    """Return arguments as words: numbers, and of arrays the addresses of their objects."""
    words = [id(one) if type(one) is np.ndarray else int(one) for one in arguments]
    return struct.pack(f"={len(words)}q", *words)


# ---- compiling


def _compiled(name: str, function: FunctionType, arguments: Sequence[Any]) -> bytes | None:
    """Return the number of results and the object code; None if that needs more than there will be."""
    compiler, errors, target = (_numba(name) for name in ("core.compiler", "core.errors", "core.registry"))
    _tell()
    inner = _njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False)(function)  # counts no references
    unpacked = _unpacker([_type_of(one) for one in arguments])

    def entry(block):  # type: ignore[no-untyped-def]
        return inner(*unpacked(block))

    flags = compiler.Flags()
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    entry.__qualname__ = entry.__name__ = re.sub(r"\W", "_", name)
    try:
        cpu = target.cpu_target
        done = compiler.compile_extra(cpu.typing_context, cpu.target_context, entry, (types.int64,), None, flags, {})
    except errors.NumbaError:
        return None  # with its run-time Numba can, or says why not
    results = _results_of(done.signature.return_type)
    if results is None or not all(map(_PLAIN.match, _NEEDED.findall(done.library.get_llvm_str()))):
        return None
    symbol = done.fndesc.llvm_func_name.encode()
    code: bytes = bytes([results]) + symbol + b"\0" + done.library._get_compiled_object()
    return code


def _results_of(returned: Any) -> int | None:
    if returned == types.none:
        return 0
    if returned == types.int64:
        return 1
    is_tuple = isinstance(returned, types.UniTuple) and returned.dtype == types.int64
    return returned.count if is_tuple and 1 < returned.count <= _MOST_RESULTS else None


def _type_of(one: Any) -> Any:
    """Return Numba's type of an argument."""
    if not isinstance(one, np.ndarray):
        return types.boolean if isinstance(one, bool | np.bool_) else types.int64
    dtype = _numba().from_dtype(one.dtype)
    return types.Array(dtype, one.ndim, "C" if one.flags.c_contiguous else "A")


def _unpacker(kinds: Sequence[Any]) -> Any:
    """Return the intrinsic that makes arguments of a block: numbers, and arrays by the addresses of their objects."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def word(address: Any, place: int) -> Any:
            at = builder.add(address, ir.Constant(ir.IntType(64), place))
            return builder.load(builder.inttoptr(at, ir.IntType(64).as_pointer()))

        def array(kind: Any, address: Any) -> Any:
            shape, strides = word(address, _OBJECT + 16), word(address, _OBJECT + 24)
            return _array_at(context, builder, kind, word(address, _OBJECT), *(
                [word(each, 8 * axis) for axis in range(kind.ndim)] for each in (shape, strides)
            ))  # fmt: skip

        words = [word(arguments[0], 8 * place) for place in range(len(kinds))]
        values = [
            array(kind, one) if isinstance(kind, types.Array)
            else builder.icmp_unsigned("!=", one, one.type(0)) if kind == types.boolean
            else one
            for kind, one in zip(kinds, words, strict=True)
        ]  # fmt: skip
        return context.make_tuple(builder, signature.return_type, values)

    return _numba("extending").intrinsic(lambda context, block: (types.Tuple(kinds)(types.int64), generate))


def _array_at(context: Any, builder: Any, kind: Any, data: Any, shape: list[Any], strides: list[Any]) -> Any:
    """Return, in an intrinsic, an array that owns nothing: its Numba type, the address of its data, and its form."""
    array = context.make_array(kind)(context, builder)
    size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    pointer = builder.inttoptr(data, array.data.type)
    itemsize = context.get_constant(types.intp, size)
    form = {"shape": shape, "strides": strides, "itemsize": itemsize}
    _numba("np.arrayobj").populate_array(array, data=pointer, **form, meminfo=None)
    return array._getvalue()


@cache
def _tell() -> None:
    """Say, once, what the user is waiting for."""
    import logging

    logging.getLogger(__name__).info("compiling the kernels: done once, some seconds")


# ---- object code in files


@cache
def _machine() -> str:
    """Return what object code is made for, and by."""
    import llvmlite
    import llvmlite.binding as llvm

    return f"{llvmlite.__version__} {llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"


def _engine(data: bytes) -> Any:
    """Return what holds object code in memory: one engine a file, as names in two files may be the same."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    return engine


def _settings() -> list[str]:
    """Return the settings of Numba's in the environment that change what is compiled."""
    return [name for name in os.environ if name.startswith("NUMBA_") and name != "NUMBA_CACHE_DIR"]
