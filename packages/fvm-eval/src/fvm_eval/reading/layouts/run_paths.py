"""What a log's path says of its run: many tools write a folder a run, and the names are all there is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_SEED = re.compile(
    r"^(?P<stem>.*?)[ _\-.=]*(?:(?<![a-z])(?:seed|run|rep|s))?[ _\-=]*(?P<seed>\d+)$", re.IGNORECASE
)
_NO_SEED = re.compile(r"\d[.,]\d+$|\de[-+]?\d+$|[-_. ]v\d+$", re.IGNORECASE)
"""How names end that end in a setting or a version: lr0.001, 3e-4, CartPole-v1."""
_ENV_ID = re.compile(r"^(?P<task>[A-Za-z].*-v\d+)(?:[_\-.](?P<seed>\d+))?$")
_CLEANRL = re.compile(r"^(?P<task>.+?)__(?P<method>.+?)__(?P<seed>\d+)(?:__\d+)?$")
_FILE_NUMBER = re.compile(r"^\d+\.monitor$|^monitor$|^progress$|^evaluations$|^results$|^log$")
_DEPTH = 3


@dataclass(frozen=True)
class RunPath:
    """Roles that a path says; None where it does not."""

    method: str | None = None
    task: str | None = None
    seed: str | None = None


def cleanrl_run(name: str) -> RunPath | None:
    """Returns the run behind CleanRL's name of it, "env__exp_name__seed__time"; None for another name.

    Forks write "exp_name__env__seed__time": an id that ends like Gymnasium's tells which of the two it is.
    """
    match = _CLEANRL.match(name)
    if match is None:
        return None
    task, method = match["task"], match["method"]
    if _ENV_ID.match(method) and not _ENV_ID.match(task):
        task, method = method, task
    return RunPath(method, task, match["seed"])


def seed_at_end(pattern: re.Pattern[str], name: str) -> re.Match[str] | None:
    """Returns the match of a name that ends in a seed; None where the number is a setting or a version."""
    return None if _NO_SEED.search(name) else pattern.match(name)


def run_of(path: Path, root: Path | None) -> RunPath:
    """Returns what the folders between `root` and the file say, the innermost number being the seed.

    Understood are METHOD/TASK/SEED, METHOD/SEED, METHOD_SEED, RL Zoo's METHOD/ENV-v1_1 and CleanRL's
    ENV__METHOD__SEED__TIME, each with the file's own name last where it says more than "monitor".

    Args:
        path: Of the log.
        root: The folder that was given; None where the file itself was.
    """
    parts = list(path.parent.parts[-_DEPTH:] if root is None else path.parent.relative_to(root).parts)
    stem = path.name.split(".csv")[0].split(".json")[0].split(".npz")[0]
    if not _FILE_NUMBER.match(stem):
        parts.append(stem.removesuffix(".monitor"))
    method = task = seed = None
    rest: list[str] = []
    for part in reversed(parts):
        if (run := cleanrl_run(part)) is not None:
            return run
        env, number = _ENV_ID.match(part), seed_at_end(_SEED, part)
        if task is None and env is not None:
            task, seed = env["task"], seed or env["seed"]
        elif seed is None and number is not None:
            seed = number["seed"]
            if number["stem"]:
                rest.append(number["stem"])
        else:
            rest.append(part)
    rest.reverse()
    if rest:
        method = rest[0] if root is not None or len(rest) == 1 else rest[-1 if task is not None else -2]
        if task is None and len(rest) > 1:
            task = rest[-1] if rest[-1] != method else None
    return RunPath(method, task, seed)
