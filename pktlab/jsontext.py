"""JSON as pktlab prints it, in ASCII, with nothing in it that acts on a terminal; and read again, a value at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from pktlab.errors import CraftError

__all__ = ["MAX_VALUE", "json_schema", "json_text", "json_values"]

MAX_VALUE = 1 << 26
"""Characters of one value: the document of a packet of 256 KiB with every field takes a few millions."""
_CHUNK = 1 << 16
_BLANK = " \t\r\n"


def json_text(value: Any, indent: int | None = None) -> str:
    r"""Return `value` as JSON in ASCII.

    >>> json_text({"name": "é\x1b\x7f"})
    '{"name": "\\u00e9\\u001b\\u007f"}'
    """
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")


def json_schema(command: str) -> Any:
    """Return the JSON Schema of what a command prints as JSON.

    Raises
    ------
    KeyError : it has none

    >>> json_schema("demux")["title"]
    'pktlab demux'
    """
    path = Path(__file__).with_name("contracts") / f"{command}.schema.json"
    if not path.exists():
        raise KeyError(command)
    return json.loads(path.read_text(encoding="ascii"))


def json_values(stream: TextIO) -> Iterator[Any]:
    r"""Yield the items of the array in `stream`, or the values in it one after another; one is held at a time.

    Raises
    ------
    CraftError : it is no JSON, or one value is longer than `MAX_VALUE`; says at which value

    >>> import io
    >>> list(json_values(io.StringIO('[{"a": 1}, 2]'))), list(json_values(io.StringIO('{"a": 1}\n2\n')))
    ([{'a': 1}, 2], [{'a': 1}, 2])
    """
    window = _Window(stream)
    in_array = window.next_char() == "["
    if in_array:
        window.at += 1
        if window.next_char() == "]":
            window.at += 1
            window.end()
            return
    while window.next_char() or in_array:
        yield window.value()
        if not in_array:
            continue
        found = window.next_char()
        if found not in ("]", ","):
            raise window.error("a comma or the end of the array is missing")
        window.at += 1
        if found == "]":
            window.end()
            return


class _Window:
    """The part of the text that is not read yet."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.text = ""
        self.at = 0
        self.count = 0
        self.decoder = json.JSONDecoder()

    def error(self, why: str) -> CraftError:
        """Return an error with the number of the value at which it is."""
        return CraftError(f"packet {self.count + 1} of the JSON: {why}")

    def more(self) -> bool:
        """Take in as much again; False at the end."""
        try:
            found = self.stream.read(max(_CHUNK, len(self.text) - self.at))
        except UnicodeDecodeError as error:
            raise self.error(f"the text is not UTF-8: {error.reason}") from None
        self.text, self.at = self.text[self.at :] + found, 0
        return bool(found)

    def next_char(self) -> str:
        """Return the next character that is not blank, and stand at it; empty at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in _BLANK:
                self.at += 1
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def value(self) -> Any:
        """Return the value that stands next."""
        self.next_char()
        while True:
            try:
                value, stop = self.decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if len(self.text) - self.at > MAX_VALUE:
                    raise self.error(f"longer than {MAX_VALUE:,} characters, or no JSON: {error.msg}") from None
                if not self.more():
                    raise self.error(f"no JSON: {error.msg}") from None
                continue
            except RecursionError:
                raise self.error("nested too deeply") from None
            except ValueError as error:
                raise self.error(str(error)) from None
            is_closed = not isinstance(value, int | float) or self.text[stop : stop + 1] in (*_BLANK, ",", "]")
            if not is_closed and self.more():
                continue  # the number may go on
            self.at = stop
            self.count += 1
            return value

    def end(self) -> None:
        """Raise CraftError if anything stands behind the array."""
        if self.next_char():
            raise self.error("something stands behind the end of the array")
