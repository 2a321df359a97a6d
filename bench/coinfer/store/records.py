"""Records and timelines as Parquet: a column a field, nothing that differs between equal runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from coinfer.runtime.record import Record, Span

if TYPE_CHECKING:
    from pyarrow import Table

T = TypeVar("T", Record, Span)


def encode_records(records: Sequence[Record]) -> bytes:
    """Parquet file of the records; equal records give equal bytes."""
    return _encode(records, Record)


def encode_spans(spans: Sequence[Span]) -> bytes:
    """Parquet file of a timeline; equal spans give equal bytes."""
    return _encode(spans, Span)


def _encode(rows: Sequence[T], of: type[T]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = {f.name: f.type for f in msgspec.structs.fields(of)}
    kinds = {
        str: pa.string(),
        bool: pa.bool_(),
        tuple[int, ...]: pa.list_(pa.int64()),
        tuple[str, ...]: pa.list_(pa.string()),
    }
    schema = pa.schema([(name, kinds.get(kind, pa.int64())) for name, kind in fields.items()])
    columns = {name: [getattr(r, name) for r in rows] for name in fields}
    sink = BytesIO()
    pq.write_table(pa.table(columns, schema=schema), sink, compression="zstd")
    return sink.getvalue()


def decode_records(data: bytes) -> tuple[Record, ...]:
    """Read back what `encode_records` wrote."""
    return _decode(data, Record)


def records_table(data: bytes) -> Table:
    """Read what `encode_records` wrote as an Arrow table.

    Columns that an older version did not write yet have their default in every row.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(BytesIO(data))
    for field in msgspec.structs.fields(Record):
        if field.name not in table.column_names:
            missing = pa.repeat(pa.scalar(field.default), table.num_rows)
            table = table.append_column(field.name, missing)
    return table


def decode_spans(data: bytes) -> tuple[Span, ...]:
    """Read back what `encode_spans` wrote."""
    return _decode(data, Span)


def _decode(data: bytes, of: type[T]) -> tuple[T, ...]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(BytesIO(data)).to_pylist()
    return tuple(msgspec.convert(row, of) for row in rows)


def sha256(data: bytes) -> str:
    """Digest that a cell keeps of its records."""
    return hashlib.sha256(data).hexdigest()
