"""`python -m fvm_eval runs.csv`: a table with intervals, the differences of all methods, tests, and a report.

The CSV has the columns method, seed, task, score; fold, checkpoint, env_step and episode are optional.
Without a checkpoint each method and seed is one, so all of a seed's tasks share its error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import polars as pl

from fvm_eval.analysis import Analysis, StudyResults, analyse
from fvm_eval.analysis.summaries import Summary
from fvm_eval.fairness import Check
from fvm_eval.report import render
from fvm_eval.report.text import limits, number, p_value
from fvm_eval.statistics.aggregate import iqm
from fvm_eval.statistics.jackknife import jackknife
from fvm_eval.statistics.pairs import compare_pairs
from fvm_eval.table import TableError

_TESTS = {"Welch": "Welch", "paired cluster-t": "paired t", "none": "–"}
_REQUIRED = ("method", "seed", "task", "score")
_NO_EPISODES = Check(7, "fails", "without a column episode nothing says which episodes were planned")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, or 2 after a sentence on stderr that says what is wrong with the input."""
    about = (__doc__ or "").split("\n\n")[-1]
    parser = argparse.ArgumentParser(prog="python -m fvm_eval", description=about)
    parser.add_argument("csv", type=Path, help="one row an episode or a run")
    parser.add_argument("--out", type=Path, help="folder for the report (default: the CSV's name + -report)")
    parser.add_argument(
        "--score-range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="lowest and highest possible score; gives methods that always score the same an interval",
    )
    options = parser.parse_args(arguments)
    folder = options.out or Path(f"{options.csv.stem}-report")
    try:
        results = _results(options.csv, options.score_range)
        print(summary(analyse(results)))
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in render(results).items():
            (folder / name).write_bytes(content)
    except FileNotFoundError:
        return _refuse(f"there is no file {options.csv}")
    except (OSError, TableError, ValueError, pl.exceptions.PolarsError) as error:
        return _refuse(str(error).split("\n")[0])
    print(f"\nReport: {folder / 'report.html'}")
    return 0


def read_csv(path: Path) -> pl.DataFrame:
    """Returns the episode table of a CSV, with defaults for what it leaves out.

    Raises:
        TableError: A required column is missing, or a value is no number; rows count from 1 after the header.
    """
    if not path.is_file() and path.exists():
        raise TableError(f"{path} is not a file")
    if not path.stat().st_size:
        raise TableError(f"{path} is empty; expected a header with {', '.join(_REQUIRED)}")
    text = pl.read_csv(path, infer_schema=False)
    missing = [name for name in _REQUIRED if name not in text.columns]
    if missing:
        needs = ", ".join(_REQUIRED)
        raise TableError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}: "
            f"it has {', '.join(text.columns)} and needs {needs}"
        )
    if text.is_empty():
        raise TableError(f"{path} has a header but no rows")
    table = text.with_columns(_numbers(text, "seed", pl.Int64), _numbers(text, "score", pl.Float64))
    for name in ("fold", "env_step", "episode"):
        if name in text.columns:
            table = table.with_columns(_numbers(text, name, pl.Int64))
        elif name != "episode":
            table = table.with_columns(pl.lit(0).alias(name))
    if "checkpoint" not in text.columns:
        table = table.with_columns(checkpoint=pl.format("{}/{}", "method", "seed"))
    if "episode" not in text.columns:
        cell = ["method", "fold", "seed", "checkpoint", "task", "env_step"]
        table = table.with_columns(episode=pl.int_range(pl.len()).over(cell))
    return table


def summary(analysis: Analysis) -> str:
    """Returns plain text: for each summary the methods, all differences, their tests, a second aggregate."""
    study, scale = analysis.study, analysis.scale
    blocks = []
    for result in analysis.summaries:
        rows = [("method", "mean", "95 % these tasks", "95 % new tasks", "checkpoints")]
        for method in study.methods:
            fixed, new = result.fixed[method], result.new[method]
            spans = limits(fixed, scale.value), limits(new, scale.value)
            rows.append(
                (study.label(method), number(scale.value(fixed.mean)), *spans, str(fixed.checkpoints))
            )
        found = {(d.left, d.right): d for d in analysis.differences if d.summary == result.name}
        for left, right in combinations(study.methods, 2):
            name = f"{study.label(left)} − {study.label(right)}"
            difference = found.get((left, right))
            if difference is None:
                rows.append((name, "not compared: tested on different tasks", "", "", ""))
                continue
            spans = (
                limits(difference.fixed, scale.difference, signed=True),
                limits(difference.new, scale.difference, signed=True),
            )
            mean = number(scale.difference(difference.fixed.mean), signed=True)
            rows.append((name, mean, *spans, str(difference.fixed.checkpoints)))
        blocks.append(f"{result.name}, {len(study.tasks)} tasks\n{_aligned(rows)}")
        blocks += [_tests(analysis, result), _iqm(analysis, result)]
    notes = {i.note for s in analysis.summaries for i in s.fixed.values() if i.note}
    return "\n\n".join([*filter(None, blocks), *(f"Note: {note}." for note in sorted(notes))])


def _tests(analysis: Analysis, result: Summary) -> str:
    """Returns the tests of equal means and the probabilities of improvement; empty with one method."""
    study = analysis.study
    rows = [("equal means?", "test", "p", "p, Holm", "left beats right", "95 % these tasks")]
    for pair in compare_pairs(result.cells, score_bounds=analysis.score_bounds):
        name = f"{study.label(pair.left)} − {study.label(pair.right)}"
        test = _TESTS.get(pair.difference.how, pair.difference.how)
        chance = number(pair.improvement.mean), limits(pair.improvement, lambda share: share)
        rows.append((name, test, p_value(pair.p), p_value(pair.p_holm), *chance))
    return _aligned(rows) if len(rows) > 1 else ""


def _iqm(analysis: Analysis, result: Summary) -> str:
    """Returns the secondary aggregate."""
    study, shown = analysis.study, analysis.scale.value
    rows = [("secondary", "interquartile mean", "95 % these tasks")]
    for method in study.methods:
        interval = jackknife(result.cells, {method: 1.0}, iqm).interval()
        rows.append((study.label(method), number(shown(interval.mean)), limits(interval, shown)))
    return _aligned(rows)


def _results(path: Path, score_range: Sequence[float] | None) -> StudyResults:
    table = read_csv(path)
    header = pl.read_csv(path, infer_schema=False, n_rows=0).columns
    ranges = None
    if score_range is not None:
        ranges = dict.fromkeys(table["task"].unique().to_list(), (score_range[0], score_range[1]))
    return StudyResults(
        title=f"Scores of {path.name}",
        estimand="Expected score on the tasks of the file, each with equal weight.",
        episodes=table,
        score_name="Score",
        score_ranges=ranges,
        checks=() if "episode" in header else (_NO_EPISODES,),
        rerun=f"python -m fvm_eval {path.name}",
    )


def _numbers(text: pl.DataFrame, name: str, dtype: type[pl.DataType]) -> pl.Series:
    numbers = text[name].str.strip_chars().cast(dtype, strict=False)
    bad = numbers.is_null()
    if bad.any():
        row = bad.arg_max() or 0
        value = text[name][row]
        came = "is empty" if value is None else f"{value!r} is not a {'whole ' * (dtype is pl.Int64)}number"
        raise TableError(f"column {name}, row {row + 1} (line {row + 2} of the file): {came}")
    return numbers.rename(name)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows if row[-1]) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(max(widths[0], len(row[0])))]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _refuse(sentence: str) -> int:
    print(f"fvm_eval: {sentence}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
