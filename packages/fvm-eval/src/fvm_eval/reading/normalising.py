"""`--normalise`: which raw score of a task counts as 0 and which as 1."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from fvm_eval.reading.columns import shown_name
from fvm_eval.reading.episode_rows import cleaned
from fvm_eval.reading.numerals import decimal_mark, numbers
from fvm_eval.reading.opening import open_table
from fvm_eval.reading.published_ranges import ATARI, PROCGEN_EASY, PROCGEN_HARD, Range
from fvm_eval.reading.source import ROW
from fvm_eval.table import TableError

_PLAIN = re.compile(r"(?:noframeskip|deterministic|ramnoframeskip)?-v\d+$", re.IGNORECASE)
_TASK = ("task", "env", "env_id", "game")
_LOW, _HIGH = ("low", "min", "random", "r_min"), ("high", "max", "human", "expert", "r_max")


def ranges_for(tasks: Sequence[str], how: str) -> tuple[dict[str, Range], str]:
    """Returns (score that counts as 0, as 1) by task, and a name of the normalised score.

    Args:
        tasks: Of the table.
        how: "atari", "procgen", "procgen:easy", "procgen:hard" or a file with the columns task, low, high.

    Raises:
        TableError: A task that is not in the table of ranges, an unreadable file.
    """
    name, _, mode = how.partition(":")
    if name.lower() == "atari":
        return {task: _atari(task) for task in tasks}, "Human-normalised score (random 0, human 1)"
    if name.lower() == "procgen":
        return {task: _procgen(task, mode.lower()) for task in tasks}, "Normalised score (R_min 0, R_max 1)"
    if not Path(how).is_file():
        what = "that is a folder" if how and Path(how).is_dir() else f"there is no file {how!r}"
        raise TableError(f"--normalise {how}: expected atari, procgen or a file; {what}")
    found = _file(Path(how))
    missing = [task for task in tasks if task not in found]
    if missing:
        listed = ", ".join(missing[:5])
        raise TableError(f"--normalise {how}: no row for {listed}; give task, low, high for every task")
    return {task: found[task] for task in tasks}, "Normalised score (low 0, high 1)"


def _game(task: str) -> str:
    name = _PLAIN.sub("", task.rsplit("/", 1)[-1])
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("'s", ""))


def _atari(task: str) -> Range:
    by_game = {game.replace("_", ""): scores for game, scores in ATARI.items()}
    game = _game(task)
    if game in by_game:
        return by_game[game]
    near = difflib.get_close_matches(game, by_game, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise TableError(f"--normalise atari: {task!r} is no game of the Atari-57 table{hint}")


def _procgen(task: str, mode: str) -> Range:
    words = [word for word in re.split(r"[^a-z]+", task.lower()) if word]
    game = next((word for word in words if word in PROCGEN_EASY), None)
    if game is None:
        raise TableError(f"--normalise procgen: {task!r} names none of the games {', '.join(PROCGEN_EASY)}")
    mode = mode or next((word for word in words if word in ("easy", "hard")), "")
    if mode not in ("easy", "hard"):
        raise TableError(
            f"--normalise procgen: is {task!r} played in easy or in hard mode? "
            "Give --normalise procgen:easy or procgen:hard"
        )
    return (PROCGEN_EASY if mode == "easy" else PROCGEN_HARD)[game]


def _file(path: Path) -> Mapping[str, Range]:
    source = open_table(path)
    by_name: dict[str, str] = {}
    for column in source.columns:
        name = shown_name(column).strip().lower()
        if name in by_name and name in (*_TASK, *_LOW, *_HIGH):
            raise TableError(f"--normalise {path}: it has several columns {name}; keep one of them")
        by_name.setdefault(name, column)
    task = next((by_name[n] for n in _TASK if n in by_name), None)
    low, high = (next((by_name[n] for n in names if n in by_name), None) for names in (_LOW, _HIGH))
    if task is None or low is None or high is None:
        raise TableError(f"--normalise {path}: it has {', '.join(by_name)} and needs task, low, high")
    names = [cleaned(name or "") for name in source.frame[task].cast(pl.String)]
    texts = [source.frame[column] for column in (low, high) if source.frame[column].dtype == pl.String]
    semicolons = any("semicolon" in text for text in source.said)
    mark = decimal_mark(texts, semicolons=semicolons, name=f"--normalise {path}")
    lows, highs = (numbers(source.frame[column], mark).to_list() for column in (low, high))
    found: dict[str, Range] = {}
    for place, (name, lowest, highest) in enumerate(zip(names, lows, highs, strict=True)):
        where = source.where(source.frame[ROW][place])
        if lowest is None or highest is None or not float("-inf") < lowest < highest < float("inf"):
            raise TableError(f"--normalise {path}, {where}: expected numbers low < high for {name}")
        if name in found:
            raise TableError(f"--normalise {path}, {where}: {name} comes twice")
        found[name] = (lowest, highest)
    return found
