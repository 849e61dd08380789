"""From a file's bytes to clean UTF-8 text: compression, encodings, line ends."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import zlib
from collections.abc import Callable, Mapping

from fvm_eval.table import TableError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),  # begins with UTF-16's mark, so it comes first
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_PACKED: Mapping[bytes, tuple[str, Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": ("gzip", gzip.decompress),
    b"BZh": ("bzip2", bz2.decompress),
    b"\xfd7zXZ\x00": ("xz", lzma.decompress),
}
_SAMPLE, _CHUNK = 4096, 1 << 20


def unpacked(data: bytes, name: str) -> tuple[bytes, list[str]]:
    """Returns the bytes without their compression (gzip, bzip2, xz), and what was recognised.

    Raises:
        TableError: The compressed stream is damaged, or it is an archive of several files.
    """
    for magic, (kind, unpack) in _PACKED.items():
        if data.startswith(magic):
            try:
                return unpack(data), [f"compressed by {kind}"]
            except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError):
                raise TableError(f"{name} is damaged: its {kind} stream ends early or is broken") from None
    if data.startswith(b"PK\x03\x04"):
        raise TableError(f"{name} is a zip archive or an Excel workbook: save the table itself as CSV")
    return data, []


def text_of(data: bytes, name: str, encoding: str | None = None) -> tuple[bytes, list[str]]:
    """Returns the text as UTF-8 without a byte-order mark, its lines ended by LF, and what was recognised.

    What is not UTF-8 and has no mark is read as Windows-1252, which every Western European file is.

    Args:
        data: The file's content, not compressed.
        name: Of the file, for messages.
        encoding: Python's name of it, where the user gave one.

    Raises:
        TableError: The bytes are no text, or not of this encoding.
    """
    said: list[str] = []
    if encoding is not None:
        data = _recoded(data, encoding, name)
    else:
        mark = next((row for row in _BOMS if data.startswith(row[0])), None)
        guess = _without_mark(data)
        if mark is not None:
            body = data[len(mark[0]) :]
            data = body if mark[1] == "utf-8" and _is_utf8(body) else _recoded(body, mark[1], name)
            said.append(f"{mark[2]} text with a byte-order mark")
        elif guess is not None:
            data = _recoded(data, guess, name)
            said.append("UTF-16 text")
        elif b"\x00" in data[: 16 * _SAMPLE]:
            raise TableError(f"{name} is no text, parquet or JSON: it has zero bytes; save the table as CSV")
        elif not _is_utf8(data):
            western = _western(data)
            data = _recoded(data, western, name)
            label = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}[western]
            said.append(f"text that is not UTF-8, taken as {label} (else give --encoding NAME)")
    if b"\r" in data:
        if b"\n" not in data:
            said.append("lines ended by CR alone")
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data, said


def _is_utf8(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _CHUNK):  # by parts: a long file twice in memory is too much
            decoder.decode(data[start : start + _CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _without_mark(data: bytes) -> str | None:
    """Returns the UTF-16 that a file without a mark is in, by where its zero bytes are; else None."""
    sample = data[:_SAMPLE]
    if len(sample) < 4:
        return None
    even, odd = sample[0::2], sample[1::2]
    if odd.count(0) > 0.7 * len(odd) and not even.count(0):
        return "utf-16-le"
    if even.count(0) > 0.7 * len(even) and not odd.count(0):
        return "utf-16-be"
    return None


def _western(data: bytes) -> str:
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _recoded(data: bytes, encoding: str, name: str) -> bytes:
    try:
        return data.decode(encoding).removeprefix("\ufeff").encode("utf-8")
    except LookupError:
        raise TableError(f"--encoding {encoding}: there is no such encoding; try utf-8 or cp1252") from None
    except UnicodeError:
        raise TableError(f"{name} is not {encoding} text: give --encoding with the right name") from None
