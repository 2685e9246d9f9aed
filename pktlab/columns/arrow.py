"""Tables as Arrow's: for files, for pipes, and for whatever reads Arrow. The only importer of pyarrow but `sql`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pktlab.columns.cells import Wanted
from pktlab.columns.table import Table, TableColumn
from pktlab.errors import MissingExtra

try:
    import pyarrow as pa
except ImportError:
    raise MissingExtra("pyarrow", "pktlab-toolkit[arrow]") from None

__all__ = [
    "FORMS",
    "form_of",
    "note_of",
    "schema_of",
    "to_arrow",
    "to_batch",
    "to_pandas",
]

FORMS = ("parquet", "arrow")
_ENDINGS = {".parquet": "parquet", ".arrow": "arrow", ".feather": "arrow"}
_TYPES = {
    "text": pa.dictionary(pa.int32(), pa.string()), "time": pa.timestamp("ns"), "bytes": pa.binary(),
    "bool": pa.bool_(), "float64": pa.float64(), "int32": pa.int32(), "int64": pa.int64(),
    "uint8": pa.uint8(), "uint16": pa.uint16(), "uint32": pa.uint32(), "uint64": pa.uint64(),
}  # fmt: skip
_NOTE = b"pktlab"
_STEADY = frozenset({"frame.number", "frame.time_epoch", "frame.time_epoch_ns"})
"""Numbers that grow by little from packet to packet."""


def schema_of(columns: Iterable[Wanted]) -> Any:
    """Return the `pyarrow.Schema` of tables that have these columns."""
    return pa.schema([(one.name, _TYPES[one.kind]) for one in columns])


def to_batch(table: Table, schema: Any = None) -> Any:
    """Return a `pyarrow.RecordBatch` of the same rows."""
    arrays = [_array(column) for column in table.columns.values()]
    if schema is not None:
        return pa.RecordBatch.from_arrays(arrays, schema=schema)
    return pa.RecordBatch.from_arrays(arrays, names=table.column_names)


def to_arrow(table: Table) -> Any:
    """Return a `pyarrow.Table` of the same rows."""
    return pa.Table.from_batches([to_batch(table)])


def to_pandas(table: Table) -> Any:
    """Return a `pandas.DataFrame` of the same rows."""
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtra("pandas", "pandas") from None
    own = {
        pa.uint8(): pd.UInt8Dtype(), pa.uint16(): pd.UInt16Dtype(), pa.uint32(): pd.UInt32Dtype(),
        pa.uint64(): pd.UInt64Dtype(), pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }  # fmt: skip
    return to_arrow(table).to_pandas(types_mapper=own.get)


def _array(column: TableColumn) -> Any:
    kind = _TYPES[column.kind]
    if column.kind == "text":
        return pa.DictionaryArray.from_arrays(_numbers(column, pa.int32()), _words(column.words))
    if column.kind == "bytes":
        return pa.array(column.to_list(), kind)
    return _numbers(column, kind)


def _numbers(column: TableColumn, kind: Any) -> Any:
    """Return an array over the same memory; `pyarrow.array` would import pandas to ask whether that knows it."""
    values = np.packbits(column.values, bitorder="little") if column.kind == "bool" else column.values
    missing = None if column.valid.all() else pa.py_buffer(np.packbits(column.valid, bitorder="little"))
    return pa.Array.from_buffers(kind, len(column), [missing, pa.py_buffer(np.ascontiguousarray(values))])


def _words(words: Sequence[str]) -> Any:
    """Return text as an array, without `pyarrow.array` too."""
    octets = [word.encode() for word in words]
    ends = np.cumsum([0, *map(len, octets)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(words), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(octets))])


# ---- files


def form_of(path: str | Path) -> str | None:
    """Return the form that a file's ending asks for.

    >>> form_of("a.parquet"), form_of("a.feather"), form_of("a.txt")
    ('parquet', 'arrow', None)
    """
    return _ENDINGS.get(Path(path).suffix.lower())


@contextlib.contextmanager
def sink(
    target: BinaryIO, schema: Any, form: str, *, note: Mapping[str, Any] | None = None, streams: bool = False
) -> Iterator[Callable[[Any], None]]:
    """Give a function that writes record batches, each a row group, as they come.

    Parameters
    ----------
    form : one of `FORMS`
    note : kept in the schema, for `note_of`
    streams : Arrow's form for pipes, which can be read before its end; else the one for files, whose text is not in
        dictionaries, because all of a file would have to share one, and that grows with the file
    """
    if note is not None:
        schema = schema.with_metadata({_NOTE: json.dumps(note).encode()})
    if form == "arrow" and not streams:
        schema = pa.schema([_plain(one) for one in schema], metadata=schema.metadata)
    with _writer(pa.PythonFile(_Counted(target), "w"), schema, form, streams) as writer:
        yield lambda batch: writer.write_batch(batch.cast(schema))


def _writer(file: Any, schema: Any, form: str, streams: bool) -> Any:
    if form == "parquet":
        import pyarrow.parquet as pq

        return pq.ParquetWriter(file, schema, compression="zstd", **_encoding(schema))
    if streams:
        return pa.ipc.new_stream(file, schema)
    return pa.ipc.new_file(file, schema, options=pa.ipc.IpcWriteOptions(compression="zstd"))


def _encoding(schema: Any) -> dict[str, Any]:
    """Return how Parquet is to keep columns: trying a dictionary on numbers takes more time than it saves bytes."""
    text = [one.name for one in schema if pa.types.is_dictionary(one.type)]
    steady = [one.name for one in schema if one.name in _STEADY]
    return {
        "use_dictionary": text,
        "write_statistics": [one.name for one in schema if one.name not in text],
        "column_encoding": dict.fromkeys(steady, "DELTA_BINARY_PACKED"),
    }


def _plain(one: Any) -> Any:
    return one.with_type(one.type.value_type) if pa.types.is_dictionary(one.type) else one


class _Counted:
    """A file that is written from its start, for a writer that asks where it is; a pipe could not say."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._at = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Write all of `data`."""
        self._file.write(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        """Return how much was written, bytes."""
        return self._at

    def flush(self) -> None:
        """Pass on what is buffered."""
        self._file.flush()

    def close(self) -> None:
        """Leave the file to its owner."""
        self.closed = True


def note_of(path: Path, form: str) -> Any:
    """Return the note that an exported file keeps; None if it is no such file."""
    with contextlib.suppress(OSError, ValueError, pa.ArrowException):
        if form == "parquet":
            import pyarrow.parquet as pq

            schema = pq.read_schema(path)
        else:
            with pa.memory_map(str(path)) as file:
                schema = pa.ipc.open_file(file).schema
        return json.loads((schema.metadata or {}).get(_NOTE, b"null"))
    return None
