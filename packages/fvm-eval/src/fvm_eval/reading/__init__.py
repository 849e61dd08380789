"""Readers of other people's tables: text, parquet, frames, wide tables, the layouts of other tools."""

from fvm_eval.reading.door import Reading, read
from fvm_eval.reading.normalising import ranges_for
from fvm_eval.reading.opening import open_table
from fvm_eval.reading.request import Request

__all__ = ["Reading", "Request", "open_table", "ranges_for", "read"]
