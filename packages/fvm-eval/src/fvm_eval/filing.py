"""Puts a report's files into a folder: all of them, or, where a disk is full, none."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def file_all(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes files by name into a folder, which is made if it is missing.

    They are written beside their places first, so that no page that was there is cut short.

    Raises:
        OSError: They cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(6)
    places = {folder / f".{name}.{mark}.partial": folder / name for name in files}
    try:
        for partial, place in places.items():
            partial.write_bytes(files[place.name])
        for partial, place in places.items():
            os.replace(partial, place)
    finally:
        for partial in places:
            with suppress(OSError):
                partial.unlink()
