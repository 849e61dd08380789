"""What a user can ask of a study, and the command line that asks it."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from study.errors import StudyError

NUMBERS = {
    "int": re.compile(r"[+-]?[0-9]+(_[0-9]+)*"),
    "float": re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|nan|[+-]?inf"),
}
EXPECTED = {"int": "a whole number; give one such as 8", "float": "a number; give one such as 30"}
MOST_DIGITS = 40


def shown(metavar: str) -> Any:
    """Returns how `--help` shows an option that may be left out, as `--seeds N`."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Everything a user can ask of a study."""

    benchmark: Annotated[str, tyro.conf.arg(metavar="NAME")]
    """Family of tasks: procgen (Coinrun and 15 other games), atari (real games, with Rainbow), toy (Catch,
    with a known best return), rlbench (manipulation, with C2F-ARM and demonstrations), apple (retention
    where it can be written down), two-stage (retention on pixels), or a plug-in's."""
    plugin: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]],
        tyro.conf.arg(metavar="MODULE|FILE", help_behavior_hint=""),
    ] = ()
    """Python module or file that registers benchmarks, learners, methods, measures or claims of your own
    (docs/plugins.md); once for each."""
    preset: Annotated[str | None, shown("NAME")] = None
    """procgen and atari: quick (minutes on 2 cores, the default without a GPU), small (procgen six hours,
    atari half an hour a seed) or paper (GPUs); atari also: authors (their code's oddities). toy: schedules
    and pearl (both by default), map, map-pearl (hours, after `study tune`), quick, or untuned, which --tune
    started from. rlbench: quick, small (hours),
    paper (GPUs), or players, in which nothing learns. apple: interfering or separate. two-stage: ppo or
    rainbow."""
    methods: Annotated[tuple[str, ...] | None, shown("NAME ...")] = None
    """What to compare: scratch, multitask, reptile, rl2, pearl, ...; with another adaptation than its own
    such as multitask:none (zero-shot), rl2:both (memory and fine-tuning) or multitask:encoder."""
    retain: Annotated[tuple[str, ...], shown("NAME ...")] = ()
    """Arms beside each method that fine-tunes a pretrained agent. They keep what it knew: bc, ks, em, ewc,
    l2, critic-warm-up, freeze, head-only, low-rate, entropy-off; or do the opposite: head-reset, l2-init,
    shrink-perturb, sigmas, eps-greedy. Together as in bc+l2 (docs/retention.md)."""
    seeds: Annotated[int | None, shown("N")] = None
    """Independent pretrainings of each method. An interval takes at least 2, a verdict at least 5."""
    train_sizes: Annotated[tuple[int, ...] | None, shown("N ...")] = None
    """Sizes of the training set, one pretraining each, on nested sets: --train-sizes 100 1000."""
    demos: Annotated[tuple[int, ...] | None, shown("N ...")] = None
    """Demonstrations of the test task that an adaptation begins with, a row for each number (rlbench)."""
    tune: Annotated[int | None, shown("N")] = None
    """First try N settings of each method on the validation tasks, then run the study with the best."""
    tuned: Annotated[Path | None, shown("FOLDER")] = None
    """Of `study tune`: each method's settings from there, every point of its grid a row of the study."""
    looks: Annotated[tuple[int, ...] | None, shown("N ...")] = None
    """Numbers of seeds at which verdicts are planned, such as --looks 8 16: together they keep the error of
    one look. Fixed from the first run on; without it, looking again costs."""
    diverged: Annotated[str | None, shown("HOW")] = None
    """How runs whose weights became NaN are scored: "as played" (the default) or "worst", the lowest
    possible score."""
    forgetting: Annotated[bool, shown("")] = False
    """Also let adapted agents play their training tasks again: what they have forgotten."""
    far: Annotated[bool, shown("")] = False
    """Also ask agents at every snapshot how they do where fine-tuning does not go: in a few training tasks,
    or where the benchmark says (apple, two-stage, procgen with --set deep=N)."""
    held_out: Annotated[tuple[str, ...] | None, shown("TASK ...")] = None
    """Levels or games to adapt to, instead of the preset's (levels were chosen for their headroom)."""
    set: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], shown("NAME=VALUE")] = ()
    """One of the benchmark's own options: game (procgen, toy), mode, deep (procgen), pretraining (toy),
    simulator, cameras (rlbench), c (apple), m, teacher, order (apple, two-stage), shared (two-stage)."""
    game: Annotated[str | None, shown("NAME")] = None
    """Procgen game, or toy family (catch, hidden-catch, one-mark-catch, two-mark-catch, visible-catch,
    hidden-long-catch, visible-long-catch), instead of the preset's."""
    simulator: Annotated[str | None, shown("NAME")] = None
    """What plays rlbench's tasks: mujoco (re-creations, the default) or coppeliasim (RLBench itself, which
    you install). As --set simulator=NAME; so with --game and --mode."""
    mode: Annotated[str | None, shown("NAME")] = None
    """Procgen's easy or hard, instead of the preset's: of the others no score range is published."""
    pretrain_env_steps: Annotated[int | None, shown("N")] = None
    """Env steps of one pretraining. A learner's schedules, such as a falling rate, stay as long as the
    preset has them; so with --adapt-env-steps."""
    adapt_env_steps: Annotated[int | None, shown("N")] = None
    """Env steps of one adaptation."""

    control: Annotated[Path | None, shown("FOLDER")] = None
    """Finished toy study in which a method gains: without it, not gaining says nothing. For RL²
    .../toy-schedules/hidden-catch, for PEARL .../toy-pearl/hidden-long-catch."""
    output: Annotated[Path | None, shown("FOLDER")] = None
    """Where all results go (studies/BENCHMARK-PRESET). Run again on it to go on or to extend."""
    device: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ("auto",)
    """cpu, cuda, or GPUs that the workers share, as cuda:0 cuda:1; auto takes a CUDA GPU if there is one."""
    workers: Annotated[int | None, shown("N")] = None
    """Processes that run jobs side by side (one a core; on GPUs as many as their memory holds by a short
    measurement); 0 runs the jobs in this one."""
    dry_run: Annotated[bool, shown("")] = False
    """Show the grid and, by a short measurement, time, disk and memory it would take here; run nothing."""
    engine: Annotated[str, tyro.conf.arg(metavar="NAME")] = "local"
    """Who runs the jobs: local (this machine), ray (a Ray cluster), or folder (`study work FOLDER` on any
    machine that sees the output folder; this command plans, watches and reports)."""
    ray_address: Annotated[str, tyro.conf.arg(metavar="ADDRESS")] = "auto"
    """Of the cluster that --engine ray uses: auto finds the one that `ray start` has started here."""
    cache: Annotated[tuple[Path, ...] | None, shown("DIR ...")] = None
    """Folders with other studies: finished jobs with the same key are copied from there, not run."""
    fresh: Annotated[bool, shown("")] = False
    """Run all jobs anew; what was finished is moved aside, to before-1 in the output folder, and kept."""
    video: Annotated[str | None, shown("TASK")] = None
    """Write a gif of each method's last agent playing a task, such as procgen/coinrun-easy/200001."""
    tracking_uri: Annotated[str | None, shown("URI")] = None
    """MLflow server, such as http://host:5000 (an sqlite file in the output folder)."""
    tracking: Annotated[bool, shown("")] = True
    """Log to MLflow, or not."""
    cpus: Annotated[tuple[str, ...], shown("N|KIND=N ...")] = ()
    """Cores that a job needs, for all kinds or for one (baseline, pretrain, adapt, measure): 1."""
    gpus: Annotated[tuple[str, ...], shown("N|KIND=N ...")] = ()
    """GPUs that a job needs, or a part of one: 1 with --device cuda."""
    memory: Annotated[tuple[str, ...], shown("SIZE|KIND=SIZE ...")] = ()
    """Memory that a job needs, such as 2G pretrain=6G (--dry-run prints it), or "measured", which takes some
    seconds: a worker takes what fits its machine, and batch systems keep as much free."""
    checkpoint_every_s: Annotated[float, tyro.conf.arg(metavar="SECONDS")] = 30.0
    """Time between checkpoints of a running job; no influence on results."""
    plain: Annotated[bool, shown("")] = False
    """Plain lines instead of live bars, as where the output is no terminal."""


def check_words(argv: Sequence[str], kinds: Mapping[str, Any]) -> None:
    """Raises StudyError for an option of several values with none, and for a word that is to be a number.

    The parser takes the first for the default, and its own text on the second is a riddle.

    Args:
        argv: The words of a command line.
        kinds: Of its options, their annotations as they are written.
    """
    flags = {f"--{name.replace('_', '-')}": str(kind) for name, kind in kinds.items()}
    flag = ""
    for word, following in zip(argv, [*argv, "--"][1:], strict=True):
        if word.startswith("--"):
            flag, equals, word = word.partition("=")
            kind = flags.get(flag.replace("_", "-"), "")
            if "tuple[" in kind and not word and (equals or following.startswith("--")):
                raise StudyError(f"{flag} came with nothing behind it; name at least one, or leave it out")
            if not word:
                continue
        kind = flags.get(flag.replace("_", "-"), "")
        what = next((what for what in NUMBERS if re.search(rf"\b{what}\b", kind)), "")
        if what and not (NUMBERS[what].fullmatch(word) and len(word) <= MOST_DIGITS):
            shown = (
                repr(word) if len(word) <= MOST_DIGITS else f"{word[:20]!r}... of {len(word):,} characters"
            )
            raise StudyError(f"{flag} {shown} is not {EXPECTED[what]}")


def check_seconds(flag: str, seconds: float) -> None:
    """Raises StudyError unless that is a time: 0 s or more, and not without end."""
    if not 0 <= seconds < math.inf:
        raise StudyError(f"{flag} {seconds} is no time; give seconds, 0 or more")


def command_of(arguments: Arguments) -> str:
    """Returns the command line that runs this study again."""
    default, parts = Arguments(benchmark=arguments.benchmark), ["uv run study"]
    for name, value in vars(arguments).items():
        if name == "fresh":  # whoever runs it again goes on
            continue
        if name == "benchmark" or value != getattr(default, name):
            flag = name.replace("_", "-")
            if isinstance(value, bool):
                parts.append(f"--{flag}" if value else f"--no-{flag}")
            else:
                words = value if isinstance(value, tuple) else (value,)
                once = [(word,) for word in words] if name in ("plugin", "set") else [words]
                parts += [shlex.join([f"--{flag}", *map(str, each)]) for each in once]
    return " ".join(parts)
