"""The command's options. Nothing heavy is imported here, so that `--help` answers at once."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import NoReturn

from fvm_eval.cli.terminal import say

ABOUT = """\
Compares RL methods from a table of scores, with intervals over trainings, and writes a report.

The table: a row a score with the columns method, seed, task, score; fold, checkpoint, env_step, episode are
optional. CSV of any separator and encoding, parquet, JSON, wide tables (a column a task, seed or method), and
what marl-eval, Weights & Biases and Stable-Baselines3 write (a folder of runs, too). Without a checkpoint
each method and seed is one training, so all of a seed's tasks share its luck."""


_MAPPED = "COLUMN=NAME, as in --map score=episode_reward"


class _Parser(argparse.ArgumentParser):
    """Refuses with one sentence, as all refusals here."""

    def error(self, message: str) -> NoReturn:
        say(f"{self.prog}: {message}; see {self.prog} --help", sys.stderr)
        raise SystemExit(2)


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command's options."""
    made = _Parser(prog="fvm-eval", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    made._negative_number_matcher = re.compile(r"^-\.?\d")  # -1e3 too, as from Python 3.14 on
    made.add_argument("table", type=Path, nargs="+", help="file, files, or a folder of runs")
    made.add_argument("--out", type=_path, help="folder for the report (default: the table's name + -report)")
    made.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="COLUMN=NAME",
        help="the table's own name of a column, as in score=episode_reward; checkpoint=none leaves it out",
    )
    made.add_argument(
        "--set", action="append", default=[], metavar="COLUMN=VALUE", help="one value for all rows, task=pong"
    )
    made.add_argument("--at", type=_steps, metavar="STEP", help="env step at which runs are compared")
    made.add_argument("--bin", type=_steps, metavar="STEPS", help="put env steps into bins of this width")
    made.add_argument(
        "--normalise",
        type=_home,
        metavar="HOW",
        help="atari (random 0, human 1), procgen, procgen:easy, procgen:hard, or a file of task, low, high",
    )
    made.add_argument(
        "--score-range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="lowest and highest possible score; others are refused",
    )
    made.add_argument(
        "--margin", type=_size, metavar="SIZE", help="the smallest difference that matters, in shown units"
    )
    made.add_argument("--claims", type=_path, metavar="TOML", help="claims fixed beforehand, to be decided")
    made.add_argument(
        "--splits",
        choices=["planned", "redrawn"],
        help="whether folds were planned (leave-one-out) or each drew its tasks anew from one pool "
        "(default: told from the tasks that folds share)",
    )
    made.add_argument("--encoding", help="of text files (default: found out)")
    made.add_argument("--decimal", choices=[",", "."], help="decimal mark of text files (default: found out)")
    made.add_argument("--version", action="version", version=f"fvm-eval {_version()}")
    return made


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """Returns options of the form KEY=VALUE by key.

    Raises:
        ValueError: One has no "=", or a key comes twice.
    """
    found: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            form = "COLUMN=VALUE, as in --set task=pong" if option == "--set" else _MAPPED
            raise ValueError(f"{option} {text}: expected {form}")
        if key.strip() in found:
            raise ValueError(f"{option} {key.strip()} is given twice")
        found[key.strip()] = value.strip()
    return found


def rerun(arguments: Sequence[str], folder: Path) -> str:
    """Returns the command that makes the report again, fit to be pasted into a shell."""
    out = [] if any(a == "--out" or a.startswith("--out=") for a in arguments) else ["--out", str(folder)]
    words = ["python", "-m", "fvm_eval", *arguments, *out]
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """Returns a word for a shell; a file's name that is no text is written byte by byte."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return "$'" + "".join(f"\\x{byte:02x}" for byte in os.fsencode(word)) + "'"
    return shlex.quote(word)


def _home(text: str) -> str:
    """Returns a path below the user's home where it begins with ~: shells leave --out=~/x as it is."""
    return os.path.expanduser(text)


def _path(text: str) -> Path:
    return Path(_home(text))


def _steps(text: str) -> int:
    value = float(text.replace("_", "").replace(",", ""))
    if not value.is_integer():
        raise ValueError
    return int(value)


_steps.__name__ = "number of env steps"


def _size(text: str) -> float:
    size = float(text)
    if not (isfinite(size) and size > 0):
        raise argparse.ArgumentTypeError(f"{text}: give the smallest difference that matters, above 0")
    return size


_size.__name__ = "number"


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fvm-eval")
    except PackageNotFoundError:
        return "(not installed)"
