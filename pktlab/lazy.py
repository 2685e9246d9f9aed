"""Public names of a package that are imported when they are first used, so that `import` alone is quick."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(package: str, home: Mapping[str, Iterable[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and the ``__dir__`` of a package (PEP 562).

    Parameters
    ----------
    package : its ``__name__``
    home : by the modules in it, the names that each has

    >>> find, listed = lazy_names("pktlab.wire", {"checksum": ("fold",)})
    >>> find("fold").__module__, "fold" in listed()
    ('pktlab.wire.checksum', True)
    >>> find("flod")
    Traceback (most recent call last):
    ...
    AttributeError: module 'pktlab.wire' has no attribute 'flod'
    """
    module_of = {name: module for module, names in home.items() for name in names}

    def find(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{module_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        return sorted([*vars(sys.modules[package]), *module_of])

    return find, listed
