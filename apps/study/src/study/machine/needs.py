"""What a job needs of the machine that it runs on, by its kind: cores, GPUs, memory.

The command says it (`--memory 2G pretrain=6G`), or the dry run's measurement does (`--memory measured`). It
goes into the plan, and is held against a machine where the job would run: a worker takes what fits it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import psutil

from study.errors import StudyError, unknown
from study.machine.limits import memory_bytes

KINDS = ("baseline", "pretrain", "adapt", "measure")
MEASURED = "measured"
SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGT]?)B?", re.IGNORECASE)
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
LEAST = 2**20  # of a process: 4 is not meant as 4 bytes
MARGIN = 1.25  # of what was measured in the first seconds
STEP = 64 * 2**20  # to which a measured size is rounded up


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What is kept free for a job, or what a worker has.

    Attributes:
        cpus: Cores. A job computes on one; beside a GPU its envs use more.
        gpus: GPUs, or a part of one.
        memory: Bytes of the whole process; 0 where nobody has said.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0

    def fit(self, has: Needs, device: str) -> bool:
        """Whether a worker that has so much, on this device, can ever do such a job."""
        most = min(has.memory, memory_bytes()) if has.memory else memory_bytes()
        return self.memory <= most and (not self.gpus or device != "cpu")

    def fit_now(self, promised: int = 0) -> bool:
        """Whether this machine has the memory just now; what this process has already counts.

        Args:
            promised: Bytes that other processes are going to take.
        """
        free = psutil.virtual_memory().available + psutil.Process().memory_info().rss
        return bool(self.memory <= free - promised)


def promised(needs: Mapping[int, Needs]) -> int:
    """Returns the bytes that processes of this machine need, by their ids, and do not have yet."""
    missing = 0
    for pid, each in needs.items():
        with suppress(psutil.Error):  # it has ended
            missing += max(0, each.memory - psutil.Process(pid).memory_info().rss)
    return missing


def needs_of(
    cpus: Sequence[str], gpus: Sequence[str], memory: Sequence[str], on_gpu: bool
) -> dict[str, Needs]:
    """Returns the needs of each kind of job as the command says them.

    Args:
        cpus: A number for all kinds, and `KIND=NUMBER` for one.
        gpus: Likewise.
        memory: Likewise, such as 6G. "measured" is left for `with_measured`.
        on_gpu: Whether jobs that have an agent take a GPU where nothing else is said.

    Raises:
        StudyError: A word is none of these.
    """
    found = {kind: Needs(gpus=float(on_gpu and kind != "baseline")) for kind in KINDS}
    for name, words in (("cpus", cpus), ("gpus", gpus), ("memory", memory)):
        of_kinds = [word.rpartition("=")[0] for word in words if word != MEASURED]
        if len(set(of_kinds)) < len(of_kinds):
            raise StudyError(
                f"--{name} {' '.join(words)[:80]} says the same kind of job twice; give one of them"
            )
        for word in sorted(words, key=lambda word: "=" in word):  # for all first
            kind, _, amount = word.rpartition("=")
            if word == MEASURED and name == "memory":
                continue
            if kind and kind not in KINDS:
                raise unknown("kind of job", kind, KINDS)
            value = bytes_of(amount) if name == "memory" else number_of(name, amount)
            for each in (kind,) if kind else KINDS:
                found[each] = Needs(**{**asdict(found[each]), name: value})
    return found


def bytes_of(word: str) -> int:
    """Returns the bytes of a size such as 6G or 500M; raises StudyError if it is none."""
    match = SIZE.fullmatch(word)
    size = float(match[1]) * UNITS[match[2].upper()] if match else 0.0
    if size < LEAST:
        raise StudyError(f"--memory {word[:40]!r} is no size; give one such as 6G or 500M")
    return int(size)


def number_of(name: str, word: str) -> float:
    """Returns a count of cores or GPUs, which may have a fraction; raises StudyError for another word."""
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 10_000.0 or (name == "cpus" and not value):
        raise StudyError(f"--{name} {word[:40]!r} is no number of {name}; give one such as 1 or .5")
    return value


def size_words(size: float) -> str:
    """Returns bytes as `--memory` takes them, rounded up."""
    return f"{math.ceil(size / 2**20)}M"


def with_measured(needs: Mapping[str, Needs], memory: Mapping[str, int]) -> dict[str, Needs]:
    """Returns the needs, with what was measured where no memory is said.

    Args:
        needs: By kind.
        memory: Bytes by kind, of those that were measured; a kind that was not is taken for the largest of
            those that adapt, else of all: what plays an agent has it in memory too.
    """
    largest = memory.get("adapt", max(memory.values(), default=0))
    return {
        kind: replace(each, memory=each.memory or math.ceil(MARGIN * memory.get(kind, largest) / STEP) * STEP)
        for kind, each in needs.items()
    }


def check_here(needs: Mapping[str, Needs], device: str) -> None:
    """Raises StudyError if a kind of job needs what this machine, or this device, does not have."""
    for kind, each in needs.items():
        if each.gpus and device == "cpu":
            raise StudyError(
                f"a job of kind {kind} needs {each.gpus:g} of a GPU and runs on cpu here; leave --gpus out, "
                "give --device cuda, or have workers elsewhere (--engine)"
            )
        if each.memory > memory_bytes():
            raise StudyError(
                f"a job of kind {kind} needs {each.memory / 1e9:.1f} GB of memory and this machine has "
                f"{memory_bytes() / 1e9:.1f} GB; give less by --memory, or have workers elsewhere (--engine)"
            )


def as_json(needs: Mapping[str, Needs]) -> dict[str, Any]:
    """Returns needs for the plan's file."""
    return {kind: asdict(each) for kind, each in needs.items()}


def of_json(value: Mapping[str, Any]) -> dict[str, Needs]:
    """Returns the needs in a plan's file; raises TypeError or ValueError for another thing."""
    found = {str(kind): Needs(**each) for kind, each in value.items()}
    for kind, each in found.items():
        parts = asdict(each).values()
        if kind not in KINDS or not all(isinstance(part, int | float) and part >= 0 for part in parts):
            raise ValueError(f"its needs of {kind!r} are no numbers of 0 or more of a kind of job")
    return found


def largest(needs: Mapping[str, Needs], kinds: Sequence[str] = ()) -> Needs:
    """Returns what does for all of these kinds of jobs, or for all."""
    found = [each for kind, each in needs.items() if not kinds or kind in kinds] or [Needs()]
    return Needs(
        cpus=max(each.cpus for each in found),
        gpus=max(each.gpus for each in found),
        memory=max(each.memory for each in found),
    )
