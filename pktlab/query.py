"""Captures and exported files, asked in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from pktlab.api import Capture
from pktlab.api import open as open_capture
from pktlab.capture.source import open_source
from pktlab.columns.arrow import schema_of, to_batch
from pktlab.columns.cells import DEFAULTS, wanted
from pktlab.columns.registry import registry
from pktlab.columns.sql import Database, columns_in
from pktlab.errors import CaptureError, QueryError
from pktlab.wire.header import Header

__all__ = ["Answer", "ask"]


class Answer:
    """What a query gave: `schema`, and record batches that come as they are read.

    readers : of the captures, which know of damage when all was read
    """

    def __init__(self, database: Database, query: str, captures: Sequence[Capture]) -> None:
        self._database = database
        self._captures = captures
        self.schema, self.batches = database.ask(query)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self.schema.names)

    @property
    def readers(self) -> list[Any]:
        """What read the captures."""
        return [capture.reader for capture in self._captures]

    def rows(self) -> Iterator[list[Any]]:
        """Yield the values of each row as JSON has them: times are text, and bytes are hex."""
        kinds = [_printable(one.type) for one in self.schema]
        for batch in self.batches:
            columns = [column.cast(kind).to_pylist() for column, kind in zip(batch.columns, kinds, strict=True)]
            for row in zip(*columns, strict=True):
                yield [_plain(value) for value in row]

    def close(self) -> None:
        """Close the captures and the database."""
        self._database.close()
        for capture in self._captures:
            capture.close()


def ask(sources: Sequence[str], query: str, protocols: Mapping[str, type[Header]] | None = None) -> Answer:
    """Ask captures, or exported Parquet files, in SQL.

    Parameters
    ----------
    sources : captures, or only files that end in ``.parquet``; several are one behind another
    query : a SELECT from ``packets``
    protocols : the user's own

    Raises
    ------
    QueryError : the query does not read, or asks for what is not there
    SchemaError : it names a field that its protocol has not
    CaptureError : there is nothing to read

    >>> answer = ask(["pcaps/first-light.pcapng"], "select count(udp.srcport), max(frame.len) from packets")
    >>> list(answer.rows())[0][1]
    1514
    """
    own = dict(protocols or {})
    known = registry(own.values())
    names = columns_in(query, known, DEFAULTS) or ["frame.number"]
    database = Database(names, known)
    files = [Path(source) for source in sources if source.lower().endswith(".parquet")]
    if files:
        if len(files) < len(sources):
            raise QueryError("ask captures, or Parquet files, but not both at once")
        _check(files, names)
        database.read_parquet(files)
        return Answer(database, query, ())
    captures = [open_capture(source, protocols=own) for source in sources]
    columns = wanted(names, own.values())
    schema = schema_of(columns)

    def batches() -> Iterator[Any]:
        for capture in captures:
            for table in capture.batches(*names):
                yield to_batch(table, schema)

    database.read(schema, batches)
    return Answer(database, query, captures)


def _check(files: Sequence[Path], names: Sequence[str]) -> None:
    """Raise CaptureError or QueryError if files cannot be read, or lack columns."""
    import pyarrow.parquet as pq

    for file in files:
        open_source(file)[1].close()  # which says in our words why it cannot be
        try:
            held = pq.read_schema(file).names
        except (OSError, pa.ArrowException):
            raise CaptureError(f"{file}: is no Parquet file, or a damaged one") from None
        lacking = [name for name in names if name not in held]
        if lacking:
            raise QueryError(f"{file} has no column {lacking[0]}; export it with -e {lacking[0]}")


def _printable(kind: Any) -> Any:
    """Return the type to which a column is cast to be printed: times as text, whatever they lie in."""
    if pa.types.is_temporal(kind):
        return pa.string()
    if pa.types.is_dictionary(kind):
        return _printable(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([one.with_type(_printable(one.type)) for one in kind])
    if pa.types.is_list(kind):
        return pa.list_(_printable(kind.value_type))
    return kind


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
