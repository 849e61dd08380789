"""What a user did that cannot be done, said in one sentence."""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dis import opmap
from pathlib import Path


class StudyError(Exception):
    """Shown without a traceback, with exit status 2: what came, and what to do."""


OURS = ("fvm_envs", "fvm_eval", "fvm_learners", "fvm_meta", "study")
LONGEST_WORD, LONGEST_SENTENCE = 120, 1000


def in_one_line(error: object) -> str:
    """Returns a message as one line that a terminal can take: words and all of it cut, no control characters.

    What a user gave comes back in messages, however long it was and whatever it did to a terminal.
    """
    printable = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(error))
    text = re.sub(rf"\S{{{LONGEST_WORD + 1},}}", lambda word: f"{word[0][:80]}...{word[0][-30:]}", printable)
    return cut(text)


def cut(text: str) -> str:
    """Returns a sentence without its middle, where it is too long for anybody to read."""
    return text if len(text) <= LONGEST_SENTENCE else f"{text[:600]} ... {text[-300:]}"


def refused(error: BaseException) -> bool:
    """Whether one of our packages raised an error on purpose: what it says is a sentence for its user."""
    trace = error.__traceback__
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    code, package = trace.tb_frame.f_code, str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0]
    return package in OURS and code.co_code[trace.tb_lasti] == opmap["RAISE_VARARGS"]


def last_line(text: str) -> str:
    """Returns the last line of a traceback."""
    return (text.strip().splitlines() or [""])[-1]


LIKE, ALIKE = 0.5, 0.65  # how near a name must be to be shown, and to be taken for the one that was meant


def unknown(what: str, came: str, known: Iterable[str], *, pluggable: bool = False) -> StudyError:
    """Returns the error for a name nobody knows, with the nearest one that exists.

    Args:
        what: It is a name of.
        came: What was given.
        known: The names that there are.
        pluggable: Whether a plug-in may bring others.
    """
    names = sorted(known)
    near = difflib.get_close_matches(came, names, n=1, cutoff=LIKE)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(names)}"
    if "," in came and {*came.split(",")} <= {*names, ""}:
        hint = "give several with blanks between them, not commas"
    elif pluggable and came and not difflib.get_close_matches(came, names, n=1, cutoff=ALIKE):
        hint += f"{' If' if near else '; if'} it is your own, name the plug-in that registers it (--plugin)"
    return StudyError(f"unknown {what} {came!r}; {hint}")


def at_home(path: Path) -> Path:
    """Returns a path with ~ as the user's folder: a shell leaves a quoted one, and `--output=~/x`, as it is.

    Raises:
        StudyError: There is no such user.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:  # ~nobody
        raise StudyError(f"{path}: {str(error).rstrip(chr(46))}; write the path out") from None


@contextmanager
def placing(path: Path) -> Iterator[None]:
    """While open, says what is wrong with a place that a user has just named for something new.

    Raises:
        StudyError: There is no folder to put it in.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        there = next(one for one in (path, *path.absolute().parents) if os.path.lexists(one))
        if not there.is_dir():
            why, mend = f"{there} is no folder", "name another place"
        elif not path.parent.is_dir():
            why, mend = f"there is no folder {path.parent}", "make it, or name another place"
        else:
            raise
        raise StudyError(f"cannot write {path} ({why}); {mend}") from None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """While open, says what to do about a file system that refuses.

    Raises:
        StudyError: The disk is full, or `path` cannot be written for another reason.
    """
    try:
        yield
    except OSError as error:
        raise unwritten(path, error) from None


ELSEWHERE = "a file, maybe a temporary one in TMPDIR or /dev/shm"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unwritten(path: object, error: OSError) -> StudyError:
    """Returns what to do about a file that cannot be written."""
    kept = "all finished jobs and the last checkpoint of each running one are kept"
    if error.errno in NO_ROOM:
        return StudyError(
            f"no space left to write {path} ({error.strerror}); free some and run the same command "
            f"again: {kept}"
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
        return StudyError(
            f"cannot write {path} ({error.strerror}): its folder is gone, moved or deleted in the "
            f"meantime; put it back, or name its new place, and run the same command again: what it "
            f"holds is kept"
        )
    return StudyError(
        f"cannot write {path} ({error.strerror}); make it writable and run the same command again: {kept}"
    )


def no_room(error: BaseException) -> str:
    """Returns what to say of an error if a disk is full, be it the one of temporary files; else nothing."""
    if not isinstance(error, OSError):
        return ""
    if error.errno in NO_ROOM:
        return str(unwritten(error.filename2 or error.filename or ELSEWHERE, error))
    if "temporary directory" in str(error.strerror):  # Python's own words, and all that tells it
        return f"{error.strerror}; make room in one of them, or name another by TMPDIR"
    return ""


def said_of(error: BaseException) -> str:
    """Returns what to say of an error that a user can mend; nothing of one that shows a fault of ours."""
    if isinstance(error, StudyError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None and not no_room(error):
        return f"cannot use {error.filename} ({error.strerror})"  # a path that no file system takes, for one
    if isinstance(error, FileNotFoundError) and nowhere():
        return "the folder in which this was started is gone; change to one that exists"
    return no_room(error)


def nowhere() -> bool:
    """Whether the working folder was removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False
