"""`fvm-eval runs.csv` or `python -m fvm_eval runs.csv`: intervals, differences, tests, a report."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path

from fvm_eval.cli.arguments import pairs, parser, rerun
from fvm_eval.cli.terminal import say
from fvm_eval.naming import visible

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, or 2 after a sentence on stderr that says what is wrong with the input.

    What was computed is written to the folder first; the terminal is told afterwards, if it listens.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(arguments)
    folder = options.out or Path(f"{_stem(options.table[0])}-report")
    try:
        columns, constants = pairs(options.map, "--map"), pairs(options.set, "--set")
    except ValueError as error:
        return _refuse(str(error))
    import polars as pl  # here, so that --help and misspelt options answer at once

    from fvm_eval.filing import file_all
    from fvm_eval.findings import compare
    from fvm_eval.table import TableError

    try:
        findings = compare(
            options.table[0] if len(options.table) == 1 else options.table,
            columns=columns,
            constants=constants,
            at=options.at,
            bin=options.bin,
            normalise=options.normalise,
            score_range=None if options.score_range is None else tuple(options.score_range),
            margin=options.margin,
            claims=options.claims or (),
            splits=options.splits,
            encoding=options.encoding,
            decimal=options.decimal,
            rerun=rerun(arguments, folder),
        )
        text, files = findings.text(), findings.files
    except FileNotFoundError as error:
        return _refuse(f"there is no file {error.filename}")
    except OSError as error:
        if "writable cache" in str(error):  # Matplotlib's own words, which say what to do
            return _refuse(f"the report cannot be drawn: {error}")
        named = error.filename or options.table[0]
        return _refuse(f"{named} cannot be read: {error.strerror or error}")
    except (TableError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        return _refuse(str(error).split("\n")[0])
    try:
        file_all(folder, files, keep=options.table)
    except OSError as error:
        say(text, sys.stdout)
        why = error.strerror or str(error)
        mend = "make room there, or give" if error.errno in _NO_ROOM else "give"
        return _refuse(f"the report cannot be written to {folder}: {why}; {mend} another folder by --out")
    say(f"{text}\n\nReport: {visible(str(folder / 'report.html'))}", sys.stdout)
    return 0


def _stem(table: Path) -> str:
    """Returns the table's name without what tells its format, as in "runs" of "runs.csv.gz"."""
    name = table.resolve().name if table.name in ("", ".", "..") else table.name
    for ending in (".gz", ".bz2", ".xz", ".csv", ".tsv", ".txt", ".parquet", ".json", ".jsonl", ".npz"):
        name = name[: -len(ending)] if name.lower().endswith(ending) and len(name) > len(ending) else name
    return name


def _refuse(sentence: str) -> int:
    say(f"fvm_eval: {visible(sentence)}", sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
