"""Reads and writes single files of a folder that may be a stranger's: nothing in it leads out of it.

No name is a pattern, no symbolic link is followed, only regular files are read, and a file is written under a
name that nobody could have prepared, then renamed: it is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import polars as pl

from study.errors import writing

PARTIAL = ".partial"  # how the name of a file ends while it is written
MAX_JSON_BYTES = 256 * 2**20  # far more than any record of a study
CHUNK = 2**20


class Damaged(Exception):
    """Why a file cannot be used, in a few words."""


def partial_name(name: str) -> str:
    """Returns a neighbour's name that no other process, on this host or another, has or can guess."""
    host = "".join(c if c.isalnum() else "-" for c in socket.gethostname())[:24]
    return f".{name[:80]}.{host}-{os.getpid()}-{secrets.token_hex(6)}{PARTIAL}"


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Writes a whole file or none: to a neighbour first, flushed, then renamed.

    What lies at `path`, a link too, is replaced, never written through.

    Raises:
        StudyError: The disk is full, or the file cannot be written for another reason.
    """
    partial = path.with_name(partial_name(path.name))
    with writing(path), whole_or_gone(partial):
        with create(partial) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)


@contextmanager
def whole_or_gone(path: Path) -> Iterator[None]:
    """While open, a file is written that nobody else writes: if that fails, no part of it stays."""
    try:
        yield
    except FileExistsError:  # another's
        raise
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def create(path: Path) -> IO[bytes]:
    """Opens a file for writing that must not exist yet, not even as a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o666), "wb")


def open_regular(path: Path) -> IO[bytes]:
    """Opens a file for reading.

    Raises:
        Damaged: It is no regular file: a link, a folder, a pipe that would never answer.
        OSError: It cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise Damaged("a symbolic link, which is not followed") from None
        raise error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Damaged("not a regular file")
    return os.fdopen(descriptor, "rb", buffering=0)  # most are read whole, or in large parts


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """Returns a file's contents.

    Raises:
        Damaged: It is no regular file, or larger than `limit` bytes.
        OSError: It cannot be read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if limit is not None and size > limit:
            raise Damaged(f"{size:,} bytes, and no more than {limit:,} can be")
        return file.read()


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file's contents as 64 hex digits; raises as `read_bytes`."""
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def parse_json(data: bytes) -> Any:
    """Returns the value of a JSON text, however damaged or deeply nested it may be.

    Raises:
        Damaged: It is none, or has NaN or infinity in it.
    """
    try:
        return _JSON.decode(data.decode(json.detect_encoding(data), "surrogatepass"))
    except RecursionError:
        raise Damaged("nested too deeply") from None
    except ValueError as error:
        raise Damaged(" ".join(str(error).split())[:120]) from None


def _refuse(name: str) -> Any:
    raise ValueError(f"it has {name} in it, which is no number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text[:20])  # 1e999


_JSON = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def read_json(path: Path) -> Any:
    """Returns the value in a JSON file; raises Damaged or OSError."""
    return parse_json(read_bytes(path, MAX_JSON_BYTES))


def json_bytes(value: Any) -> bytes:
    """Returns a record as the text that people may read: sorted, a line each."""
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"


def canonical_json(value: Any) -> str:
    """Returns the one JSON text of `value`: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse_table(data: bytes) -> pl.DataFrame:
    """Returns the table in a parquet file's bytes.

    Raises:
        Damaged: There is none.
    """
    try:
        return pl.read_parquet(io.BytesIO(data), glob=False)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic of Polars is no Exception
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Damaged(words[:200]) from None


def table_bytes(table: pl.DataFrame) -> bytes:
    """Returns a table as parquet; equal tables are equal bytes."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", compression_level=3)
    return buffer.getvalue()


def is_folder(path: Path) -> bool:
    """Whether a real folder lies there: a link to one is none."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False
