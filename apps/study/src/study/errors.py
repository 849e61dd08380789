"""What a user did that cannot be done, said in one sentence."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from pathlib import Path


class StudyError(Exception):
    """Shown without a traceback, with exit status 2: what came, and what to do."""


def unknown(what: str, came: str, known: Iterable[str]) -> StudyError:
    """Returns the error for a name nobody knows, with the nearest one that exists."""
    names = sorted(known)
    near = difflib.get_close_matches(came, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(names)}"
    return StudyError(f"unknown {what} {came!r}; {hint}")


def out_of_space(error: OSError, path: Path) -> StudyError | None:
    """Returns the error for a full disk, quota or file-size limit; None for any other OSError."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return None
    return StudyError(
        f"no space left to write {path} ({error.strerror}); free some and run the same command again: "
        f"all finished jobs and the last checkpoint of each running one are kept"
    )
