"""`Table`: columns of packets as they are handed on, to NumPy, Arrow, pandas, Polars or a notebook.

A value is what ``tshark -T fields`` and JSON show: addresses and flags are text, times ns since the epoch in UTC,
everything else numbers, true or false, or bytes. Text is kept once: a column of it is numbers that say which word.
Nothing here needs a package besides NumPy before a table is handed on.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pktlab.errors import MissingExtra

__all__ = ["Table", "TableColumn", "joined"]

Array = np.ndarray[Any, Any]
_SHOWN = 10  # rows that a representation has
_DTYPES = {"text": "int32", "time": "int64", "bytes": "object"}


@dataclass(frozen=True, eq=False)
class TableColumn:
    """The values of one name.

    kind : ``"text"``, ``"bytes"``, ``"time"`` (ns since the epoch), or what NumPy calls numbers and booleans
    values : shape (rows,); of text int32, places in `words`; of bytes objects; what masked rows hold means nothing
    valid : bool, shape (rows,): whether there is a value
    words : the different texts
    """

    kind: str
    values: Array
    valid: Array
    words: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_list())

    def __getitem__(self, rows: slice) -> TableColumn:
        return TableColumn(self.kind, self.values[rows], self.valid[rows], self.words)

    def to_list(self) -> list[Any]:
        """Return the values as Python has them, None where there is none."""
        words = self.words
        values = self.values.tolist()
        if self.kind == "text":
            return [words[value] if has else None for value, has in zip(values, self.valid.tolist(), strict=True)]
        return [value if has else None for value, has in zip(values, self.valid.tolist(), strict=True)]

    def __repr__(self) -> str:
        return f"<TableColumn of {len(self)} {self.kind}>"


class Table:
    """Columns of the same length, by name; ``table["ip.src"]`` is one of them.

    >>> import numpy as np
    >>> has = np.array([True, False])
    >>> table = Table({"udp.length": TableColumn("uint16", np.array([9, 0], np.uint16), has)})
    >>> len(table), table.column_names, table["udp.length"].to_list()
    (2, ['udp.length'], [9, None])
    >>> table.head(1)
    udp.length
             9
    1 row
    """

    def __init__(self, columns: Mapping[str, TableColumn]) -> None:
        self.columns = dict(columns)

    @property
    def column_names(self) -> list[str]:
        """The names, in the order in which they were asked for."""
        return list(self.columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> TableColumn:
        return self.columns[name]

    def head(self, rows: int = 5) -> Table:
        """Return the first rows."""
        return self.slice(0, rows)

    def slice(self, start: int, stop: int) -> Table:
        """Return the rows from `start` up to, and without, `stop`."""
        return Table({name: column[start:stop] for name, column in self.columns.items()})

    def to_rows(self) -> list[dict[str, Any]]:
        """Return a dictionary for each row."""
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*self.columns.values(), strict=True)]

    # ---- for other libraries

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hand the table on in the way that Arrow's libraries share (the PyCapsule interface)."""
        return self.to_pyarrow().__arrow_c_stream__(requested_schema)

    def to_pyarrow(self) -> Any:
        """Return a `pyarrow.Table`; MissingExtra says how to install pyarrow."""
        from pktlab.columns.arrow import to_arrow

        return to_arrow(self)

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame`: text as categories, numbers with gaps as pandas' own types."""
        from pktlab.columns.arrow import to_pandas

        return to_pandas(self)

    def to_polars(self) -> Any:
        """Return a `polars.DataFrame`."""
        try:
            import polars
        except ImportError:
            raise MissingExtra("polars", "polars") from None
        return polars.from_arrow(self.to_pyarrow())

    # ---- for the eye

    def __repr__(self) -> str:
        head = self.head(_SHOWN)
        cells = [[name, *map(_shown, column)] for name, column in head.columns.items()]
        widths = [max(map(len, column)) for column in cells]
        lines = ["  ".join(map(str.rjust, row, widths)) for row in zip(*cells, strict=True)]
        return "\n".join([*lines, self._count()])

    def _repr_html_(self) -> str:
        names = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        rows = zip(*(map(_shown, column) for column in self.head(_SHOWN).columns.values()), strict=True)
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(one)}</td>' for one in row)}</tr>" for row in rows)
        return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table><p>{self._count()}</p>"

    def _count(self) -> str:
        rows = f"{len(self):,} row{'' if len(self) == 1 else 's'}"
        return rows if len(self) <= _SHOWN else f"{rows}, the first {_SHOWN} shown"


def _shown(value: Any) -> str:
    """Return a value as text that acts on nothing."""
    from pktlab.wire.text import escape

    if value is None:
        return ""
    return value.hex() if isinstance(value, bytes) else escape(str(value))


def joined(tables: Sequence[Table]) -> Table:
    """Return the rows of all `tables`, at least one, which have the same columns."""
    first = tables[0]
    if len(tables) == 1:
        return first
    return Table({name: _joined([one[name] for one in tables]) for name in first.columns})


def _joined(parts: Sequence[TableColumn]) -> TableColumn:
    kind = parts[0].kind
    valid = np.concatenate([part.valid for part in parts])
    if kind != "text":
        return TableColumn(kind, np.concatenate([part.values for part in parts]), valid)
    words: dict[str, int] = {}
    values = []
    for part in parts:
        places = np.array([words.setdefault(word, len(words)) for word in part.words] or [0], np.int32)
        values.append(places[part.values])
    return TableColumn(kind, np.concatenate(values), valid, tuple(words))


def dtype_of(kind: str) -> np.dtype[Any]:
    """Return the type of the numbers that a column of `kind` is kept in.

    >>> str(dtype_of("text")), str(dtype_of("uint8"))
    ('int32', 'uint8')
    """
    return np.dtype(_DTYPES.get(kind, kind))
