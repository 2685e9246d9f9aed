"""JSON as pktlab prints it: in ASCII, with nothing in it that acts on a terminal."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["json_text"]


def json_text(value: Any, indent: int | None = None) -> str:
    r"""Return `value` as JSON in ASCII.

    >>> json_text({"name": "é\x1b\x7f"})
    '{"name": "\\u00e9\\u001b\\u007f"}'
    """
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")
