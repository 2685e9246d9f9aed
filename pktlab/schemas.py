"""Where a user's own schema comes from: ``mine.py:ECHO``, a file and a name in it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from pktlab.errors import SchemaError
from pktlab.wire.header import Header

__all__ = ["load_schema"]


def load_schema(target: str) -> type[Header]:
    """Return the header class that `target` names: ``FILE.py:NAME``.

    The file is run, as Python runs any module.

    Raises
    ------
    SchemaError : the file or the name is not there, is no header, or the file fails
    """
    path, colon, name = target.rpartition(":")
    if not colon or not path or not name:
        raise SchemaError(f"{target!r} names no schema; write for example mine.py:ECHO")
    module = _load(Path(path), target)
    found = getattr(module, name, None)
    found = getattr(found, "header", found)
    if isinstance(found, type) and issubclass(found, Header) and found is not Header:
        return found
    headers = [
        key for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Header) and value.__module__ == module.__name__
    ]  # fmt: skip
    has = f"; it has {', '.join(headers)}" if headers else "; a schema is a class made with pktlab.wire.Header"
    raise SchemaError(f"{target}: {path} has no schema called {name}{has}")


def _load(path: Path, target: str) -> ModuleType:
    if not path.is_file():
        raise SchemaError(f"{target}: there is no file {path}")
    name = f"pktlab_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SchemaError(f"{target}: {path} is no Python file; its name has to end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file may raise anything
        line = _line_of(error, path)
        raise SchemaError(f"{target}: {path}{line}: {type(error).__name__}: {error}") from None
    return module


def _line_of(error: Exception, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    trace, found = error.__traceback__, ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            found = f", line {trace.tb_lineno}"
        trace = trace.tb_next
    return found
