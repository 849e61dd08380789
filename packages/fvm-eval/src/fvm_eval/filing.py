"""Puts a report's files into a folder: all of them, or, where a disk is full, none."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

PAGE = "report.html"


def file_all(folder: Path, files: Mapping[str, bytes], keep: Collection[Path] = ()) -> None:
    """Writes files by name into a folder, which is made if it is missing.

    They are written beside their places first, so that no page that was there is cut short. What stands in a
    folder without a page was written by somebody else and is not replaced.

    Args:
        folder: Where to.
        files: Contents by name.
        keep: Files that are not replaced either, as the table that the report is of.

    Raises:
        OSError: They cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = {os.path.realpath(file) for file in keep}
    own = (folder / PAGE).exists()
    for name in files:
        place = folder / name
        if os.path.realpath(place) in kept or (place.exists() and not own):
            what = "the table itself" if own else "which no report wrote"
            raise FileExistsError(errno.EEXIST, f"it would replace {name}, {what}")
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
