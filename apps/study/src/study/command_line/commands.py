"""What can be done with a study's folder besides running and watching it: work on it, pack it, tune."""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from study.command_line.arguments import Arguments, check_seconds, check_words
from study.command_line.watching import LATE_S, Folder, report, status, stop
from study.errors import StudyError, at_home, in_one_line, placing, unknown, writing
from study.folder.under_way import UnderWay

MOST_OF_ARRAY = 4_000_000  # tasks, by Slurm's own limit on MaxArraySize
SBATCH_TIME = r"([0-9]{1,4}-)?[0-9]{1,6}(:[0-5][0-9]){0,2}"  # days, then minutes, or hours and so on


def work(
    folder: tyro.conf.Positional[Folder],
    /,
    *,
    device: Annotated[str, tyro.conf.arg(metavar="NAME")] = "auto",
    checkpoint_every_s: Annotated[float | None, tyro.conf.arg(metavar="SECONDS")] = None,
    memory: Annotated[str | None, tyro.conf.arg(metavar="SIZE")] = None,
    plugin: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODULE|FILE ...")] = (),
) -> int:
    """Take jobs of a study that is planned in FOLDER, on any machine that sees it, until none is left.

    SIGTERM, USR1 and Ctrl-C write a checkpoint and hand the job in hand over to other workers.

    Args:
        folder: The study's output folder, shared by all workers.
        device: One of cpu, cuda, cuda:1, ...; auto takes a CUDA GPU if there is one here.
        checkpoint_every_s: Time between checkpoints, instead of the plan's.
        memory: What this worker may take, such as 6G: jobs that need more by the plan are left to others.
        plugin: Plug-ins that the study uses; those that its folder names are never loaded from there.
    """
    from study import plugins
    from study.engines.processes import work as take
    from study.engines.schedule import RunOptions
    from study.folder.plan_file import read_plan
    from study.folder.study_file import recorded_plugins
    from study.machine.devices import choose_device
    from study.machine.needs import Needs, bytes_of
    from study.words import plural

    plan = read_plan(folder)
    plugins.load(plugin)
    plugins.check_same(recorded_plugins(folder))
    if UnderWay(folder).stopped:
        raise StudyError(f"the study in {folder} was stopped; run its own command again to go on")
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    every_s = plan.checkpoint_every_s if checkpoint_every_s is None else checkpoint_every_s
    check_seconds("--checkpoint-every-s", every_s)
    has = Needs() if memory is None else Needs(memory=bytes_of(memory))
    options = RunOptions(choose_device(device), every_s, plugin, has=has)
    finished = take(folder, options, stop, lambda text: print(text, flush=True), LATE_S)
    stopped = "; stopped" if stop.is_set() or UnderWay(folder).stopped else ""
    print(f"{plural(finished, 'job')} finished here{stopped}")
    return 0


def slurm(
    folder: tyro.conf.Positional[Folder],
    /,
    *,
    workers: Annotated[int, tyro.conf.arg(metavar="N")] = 4,
    time: Annotated[str, tyro.conf.arg(metavar="H:MM:SS")] = "4:00:00",
    kinds: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KIND ...")] = (),
    cpus: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    gpus: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    memory: Annotated[str | None, tyro.conf.arg(metavar="SIZE")] = None,
    partition: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
    plugin: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODULE|FILE ...")] = (),
    submit: bool = False,
) -> int:
    """Print an sbatch script of workers for the study that is planned in FOLDER, or submit it.

    They are as large as the plan says that jobs are (--cpus, --gpus and --memory of the study's command).

    Args:
        folder: The study's output folder, on a file system that all nodes see.
        workers: Size of the array; each task takes jobs until none is left.
        time: What each worker may take; one that comes to its end saves, and is queued again.
        kinds: Kinds of jobs that each worker must be large enough for (baseline, pretrain, adapt, measure),
            to have an array of large ones and one of small ones; all kinds if left out.
        cpus: Cores of each worker, if not what the plan says that jobs need.
        gpus: GPUs of each worker, likewise.
        memory: Memory of each worker, likewise; 4G where the plan does not say.
        partition: Where to run, if not where Slurm would.
        plugin: Plug-ins that the study uses, for each worker; files by a path that all nodes see.
        submit: Hand it to sbatch instead of printing it.
    """
    from study import plugins
    from study.folder.plan_file import read_plan
    from study.machine.needs import KINDS, bytes_of, largest, size_words

    plan = read_plan(folder)
    plugins.load(plugin)
    for job in plan.jobs:
        plugins.check_known(job)  # now, not in the queue
    said = plan.needs
    if bad := [kind for kind in kinds if kind not in KINDS]:
        raise unknown("kind of job", bad[0], KINDS)
    needs = largest(said, kinds)
    cpus = math.ceil(needs.cpus) if cpus is None else cpus
    gpus = math.ceil(needs.gpus) if gpus is None else gpus
    memory = memory or (size_words(needs.memory) if needs.memory else "4G")
    for name, number, least in (("workers", workers, 1), ("cpus", cpus, 1), ("gpus", gpus, 0)):
        if number < least:
            raise StudyError(f"--{name} {number} is too few; give {least} or more")
    if workers > MOST_OF_ARRAY:
        raise StudyError(
            f"--workers {workers} is more than a Slurm array has; give {MOST_OF_ARRAY:,} or less"
        )
    if not re.fullmatch(SBATCH_TIME, time) or not re.search("[1-9]", time):
        raise StudyError(f"--time {time!r} is no time of sbatch; give one such as 90, 4:00:00 or 2-12:00:00")
    if partition is not None and not re.fullmatch(r"[\w.,-]+", partition):
        raise StudyError(
            f"--partition {partition!r} is no name; sbatch takes letters, digits, '-', '_' and '.'"
        )
    if not re.fullmatch("[0-9]+[KMGT]", memory):  # sbatch takes no fraction, and megabytes without a unit
        memory = size_words(bytes_of(memory))
    bytes_of(memory)
    named = [str(Path(name).resolve()) if plugins.is_file(name) else name for name in plugin]
    script = sbatch_script(folder.resolve(), workers, time, cpus, gpus, memory, partition, named)
    if not submit:
        print(script, end="")
        return 0
    try:
        return subprocess.run(["sbatch"], input=os.fsencode(script), check=False).returncode
    except FileNotFoundError:
        raise StudyError("there is no sbatch here; without --submit the script is printed") from None


def sbatch_script(
    folder: Path,
    workers: int,
    limit: str,
    cpus: int,
    gpus: int,
    memory: str,
    partition: str | None,
    plugin: Sequence[str] = (),
) -> str:
    """Returns a batch script of so many workers on a folder."""
    asked = [
        f"array=0-{workers - 1}",
        f"time={limit}",
        "ntasks=1",
        f"cpus-per-task={cpus}",
        *([f"gpus-per-task={gpus}"] if gpus else []),
        f"mem={memory}",
        *([f"partition={partition}"] if partition else []),
        "requeue",
        "signal=B:USR1@60",  # to this script, which is the worker from its last line on
        "open-mode=append",
        "job-name=fvm-study",
    ]
    options = "\n".join(f"#SBATCH --{option}" for option in asked)
    words = [sys.executable, "-m", "study", "work", str(folder), "--memory", memory]
    line = shlex.join([*words, "--plugin", *plugin] if plugin else words)
    return f"#!/bin/bash\n{options}\nexport OMP_NUM_THREADS=1\nexec {line}\n"


def export(
    folder: tyro.conf.Positional[Folder],
    archive: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="FILE.tar")]],
    /,
    *,
    weights: bool = False,
) -> int:
    """Write the finished jobs of the study in FOLDER as one file.

    Args:
        folder: The study's output folder.
        archive: The file to write.
        weights: With all agents' weights, which are most of its size; else those who adapt pretrained agents
            anew need more.
    """
    from study.folder.archive import export_study
    from study.words import plural

    jobs = export_study(folder, archive, weights=weights)
    print(f"{plural(jobs, 'finished job')} in {archive} ({archive.stat().st_size / 1e6:,.1f} MB)")
    return 0


def import_(
    archive: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="FILE.tar")]],
    folder: tyro.conf.Positional[Folder],
    /,
) -> int:
    """Put the jobs of an archive into FOLDER, new or with the same study: what is there need not be run.

    Args:
        archive: What `study export` wrote, from anywhere.
        folder: An output folder; the study's own command, which is shown, then adds methods or seeds to it.
    """
    from study.folder.archive import import_study
    from study.folder.study_file import recorded_command
    from study.words import plural

    came, there = import_study(archive, folder)
    print(f"{plural(came, 'finished job')} imported into {folder}" + f", {there} were there" * bool(there))
    if command := recorded_command(folder):
        print(in_one_line(f"its page is written, and methods and seeds are added to it, by: {command}"))
    return 0


def agents(
    folder: tyro.conf.Positional[Folder],
    /,
    *,
    method: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
    seed: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    task: Annotated[str | None, tyro.conf.arg(metavar="TASK")] = None,
    checkpoint: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
    to: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None,
    plugin: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODULE|FILE ...")] = (),
) -> int:
    """List the agents that the study in FOLDER has trained, or take one out with --to.

    Args:
        folder: The study's output folder.
        method: Only this method's, as the tables name it.
        seed: Only this seed's.
        task: Only those that adapted to this task, by its id or the last part of it; '' for pretrained ones.
        checkpoint: Only those of this pretraining, where a seed has several.
        to: Write the one that is left there: weights.safetensors and agent.json, for fvm_learners.load_agent.
        plugin: Plug-ins that the study uses; those that its folder names are never loaded from there.
    """
    from study import plugins
    from study.jobs.trained_agents import agent_of, chosen, only, trained_agents

    plugins.load(plugin)
    everyone = trained_agents(folder)
    found = chosen(everyone, method, seed, task, checkpoint)
    if everyone and not found:
        only(found, everyone, folder)  # says who there is
    if to is None:
        rows = [
            (", ".join(one.methods), str(one.job.seed), one.task or "(pretrained)", one.job.checkpoint)
            for one in found
        ]
        head = ("method", "seed", "task", "checkpoint")
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
        for row in (head, *rows):
            print(
                "  ".join(
                    in_one_line(word).ljust(width) for word, width in zip(row, widths, strict=True)
                ).rstrip()
            )
        return 0
    one = only(found, everyone, folder)
    if to.expanduser().exists():
        raise StudyError(f"{to} is there already; name a folder that is not")
    agent = agent_of(one, folder)
    with writing(to), placing(to):
        try:
            agent.save(to)
        except OSError:  # no half of an agent stays in the way of the next try
            shutil.rmtree(to.expanduser(), ignore_errors=True)
            raise
    print(in_one_line(f"{one} is in {to}"))
    return 0


def tune(
    *,
    arguments: Annotated[Arguments, tyro.conf.arg(name="")],
    env_steps: Annotated[int, tyro.conf.arg(metavar="N")] = 420_000,
    most_env_steps: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    error: Annotated[float, tyro.conf.arg(metavar="X")] = 0.03,
    widenings: Annotated[int, tyro.conf.arg(metavar="N")] = 6,
    grid: Annotated[tuple[str, ...], tyro.conf.arg(metavar="AXIS=N,N"), tyro.conf.UseAppendAction] = (),
) -> int:
    """Tune each method of a study by a grid on validation tasks, for `study --tuned FOLDER`.

    The other arguments are those of the study. An optimum at the edge of the grid widens it.

    Args:
        arguments: Of the study.
        env_steps: Tuning env steps of each method, its pretrainings included: as many seeds as fit.
        most_env_steps: Up to which they are doubled, for all methods alike, until the differences between
            neighbouring points are known (four times --env-steps).
        error: The standard error of such a difference that is small enough, as a part of the score range.
        widenings: How often each axis of the grid may grow at its edges, 0 for never; where points have few
            seeds, noise lets it grow.
        grid: Instead of the preset's, once for each axis: adapt.learning_rate=1e-3,5e-3 (of methods that take
            gradients on the test task), pretrain.learning_rate=... or config.kl_weight=... (of the others).
    """
    from study.tuning.tune import Effort, run_tuning

    try:
        effort = Effort(env_steps=env_steps, most_env_steps=most_env_steps, error=error, widenings=widenings)
    except ValueError as problem:
        raise StudyError(str(problem)) from None
    return run_tuning(arguments, effort, grid)


COMMANDS: dict[str, Callable[..., int]] = {
    "tune": tune,
    "work": work,
    "status": status,
    "agents": agents,
    "stop": stop,
    "slurm": slurm,
    "report": report,
    "export": export,
    "import": import_,
}


def run_command(name: str, argv: Sequence[str]) -> int:
    """Runs `study NAME ARGV`; returns the exit status."""
    if name not in COMMANDS:
        raise unknown("command", name, COMMANDS)
    of_studies = Arguments.__annotations__ if name == "tune" else {}
    check_words(argv, {**of_studies, **COMMANDS[name].__annotations__})
    words = [str(at_home(Path(word))) if word.startswith("~") else word for word in argv]
    return tyro.cli(COMMANDS[name], prog=f"study {name}", args=words)
