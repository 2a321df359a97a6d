"""Records of one cell as Parquet: a column a field, nothing that differs between equal runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import msgspec

from coinfer.runtime.record import Record


def encode_records(records: Sequence[Record]) -> bytes:
    """Parquet file of the records; equal records give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = {f.name: f.type for f in msgspec.structs.fields(Record)}
    kinds = {str: pa.string(), bool: pa.bool_()}
    schema = pa.schema([(name, kinds.get(kind, pa.int64())) for name, kind in fields.items()])
    columns = {name: [getattr(r, name) for r in records] for name in fields}
    sink = BytesIO()
    pq.write_table(pa.table(columns, schema=schema), sink, compression="zstd")
    return sink.getvalue()


def decode_records(data: bytes) -> tuple[Record, ...]:
    """Read back what `encode_records` wrote."""
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(BytesIO(data)).to_pylist()
    return tuple(msgspec.convert(row, Record) for row in rows)


def sha256(data: bytes) -> str:
    """Digest that a cell keeps of its records."""
    return hashlib.sha256(data).hexdigest()
