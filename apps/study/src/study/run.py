"""The course of a study: config -> plan -> jobs -> tables -> report, all of it also in MLflow."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from study import players, plugins
from study.command_line.announcements import announce, conclude
from study.command_line.arguments import Arguments, check_seconds, command_of
from study.command_line.terminal import STOPPING, said_at_once
from study.config import StudyConfig
from study.engines.processes import refuse_while_spawned
from study.engines.schedule import RunOptions
from study.errors import StudyError
from study.estimates import estimate
from study.folder.cache import check_cache, found_in, set_aside, take_from
from study.folder.config_file import as_json
from study.folder.plan_file import PlanFile, write_plan
from study.folder.store import Store, write_table
from study.folder.study_file import check_owner
from study.jobs.video import agents_that_play, write_videos
from study.machine.devices import choose_devices
from study.machine.resources import (
    choose_workers,
    launcher_of,
    options_of,
    with_measured_needs,
    with_paths,
    workers_of,
)
from study.measures.control import check_control
from study.plan import Plan, make_plan
from study.rehearsal import rehearse
from study.resolve import check, resolve_all
from study.results.collect import Results, collect, write_report
from study.results.evidence import TUNING_SPENT
from study.run_jobs import run_jobs, who_runs
from study.tracking import sink as tracking
from study.tracking.mlflow_sink import default_uri
from study.tuning.trials import Tuning
from study.tuning.tuned import ship, tuning_folder, with_tuned
from study.words import duration, plural

MAX_JOBS = 1_000_000  # of a grid: planning as many takes a minute and 50 GB


def run_study(arguments: Arguments) -> int:
    """Runs what the arguments ask for; returns the exit status.

    Raises:
        StudyError: It cannot be done as asked.
    """
    arguments, device = made_ready(arguments)
    configs = resolve_all(arguments, default_preset="quick" if device == "cpu" else "small")
    if arguments.tuned is not None and arguments.tune is not None:
        raise StudyError("--tune and --tuned are two ways to choose settings; give one of them")
    if arguments.tuned is not None:
        folders = [tuning_folder(arguments.tuned, config.family) for config in configs]
        configs = [with_tuned(*pair) for pair in zip(configs, folders, strict=True)]
    check_all(arguments, configs)
    for config in configs:
        run_one(arguments, config, folder_of(arguments, config, configs), device, command_of(arguments))
    return 0


def made_ready(arguments: Arguments) -> tuple[Arguments, str]:
    """Loads the plug-ins; returns the arguments, whose paths and numbers can be used, and the device.

    Raises:
        StudyError: They cannot.
    """
    refuse_while_spawned()
    arguments = with_paths(arguments)
    plugins.load(arguments.plugin)
    device = choose_devices(arguments.device, here=launcher_of(arguments).here)[0]
    if arguments.tracking_uri is not None:
        if not arguments.tracking:
            raise StudyError("--tracking-uri says where to log, --no-tracking logs nothing; give one of them")
        tracking.check_uri(arguments.tracking_uri)
    choose_workers(arguments.workers, device, 1)
    check_seconds("--checkpoint-every-s", arguments.checkpoint_every_s)
    return arguments, device


def check_all(arguments: Arguments, configs: Sequence[StudyConfig]) -> None:
    """Raises StudyError for what would end the studies after hours."""
    if arguments.video is not None and not any(plays(config, arguments.video) for config in configs):
        agents_that_play(configs[0], make_plan(configs[0]), arguments.video)  # raises: nobody plays it
    for cache in arguments.cache or ():
        check_cache(cache)
    if arguments.control:
        check_control(arguments.control, configs)
    for config in configs:
        check_size(config, arguments.tune)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a study runs that was made in Python, which does not change its results.

    Attributes:
        output: Where all results go.
        device: One of "cpu", "cuda", "auto" (a CUDA GPU if there is one), or GPUs that the workers share.
        workers: Processes that run jobs side by side; 0 for this one alone, None for one a core.
        engine: Name of the launcher that starts them.
        ray_address: Of the cluster, for Ray.
        cpus, gpus, memory: What a job needs, in the words of the command line: `("2G", "pretrain=6G")`.
        control: Folder of a finished study in which a method is known to gain.
        cache: Folders with other studies, whose finished jobs are taken.
        fresh: Whether all jobs run anew.
        video: A task that each method's last agent is filmed on.
        tracking_uri: MLflow server; None for a file in the output folder.
        tracking: Whether MLflow gets a copy.
        checkpoint_every_s: Seconds between checkpoints of a running job.
        plain: Whether lines are printed in place of live bars.
        plugin: Modules or files that register what the config uses; each worker loads them.
    """

    output: Path
    device: str | tuple[str, ...] = "auto"
    workers: int | None = None
    engine: str = Arguments.engine
    ray_address: str = Arguments.ray_address
    cpus: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()
    control: Path | None = None
    cache: tuple[Path, ...] | None = None
    fresh: bool = False
    video: str | None = None
    tracking_uri: str | None = None
    tracking: bool = True
    checkpoint_every_s: float = Arguments.checkpoint_every_s
    plain: bool = False
    plugin: tuple[str, ...] = ()


def run(config: StudyConfig, options: Options) -> Path:
    """Runs a study whose config was made in Python; returns its folder.

    With workers, call it under `if __name__ == "__main__":`, and name in `plugin` the modules or files that
    register what the config uses.

    Raises:
        StudyError: It cannot be done as asked.
    """
    device = (options.device,) if isinstance(options.device, str) else options.device
    given = {**vars(options), "device": device}
    arguments = Arguments(benchmark=config.benchmark, preset=config.preset, **given)
    arguments, chosen = made_ready(arguments)
    output = arguments.output or options.output
    try:
        check(config)
    except ValueError as error:
        raise StudyError(str(error)) from None
    check_all(arguments, [config])
    script = getattr(sys.modules["__main__"], "__file__", None)
    rerun = shlex.join(["python", Path(script).name]) if script else "study.run.run(config, options)"
    run_one(arguments, config, output, chosen, rerun)
    return output


def check_size(config: StudyConfig, trials: int | None) -> None:
    """Raises StudyError for a grid that nobody could run, before it is made."""
    tasks = len(config.held_out) + (trials or 0) * len(config.validation)
    size = config.seeds * len(config.train_sizes) * len(config.methods) * tasks
    if size > MAX_JOBS:
        raise StudyError(
            f"a grid of some {size:,} jobs is more than {MAX_JOBS:,}; use fewer seeds, sizes or tasks"
        )


def folder_of(arguments: Arguments, config: StudyConfig, configs: Sequence[StudyConfig]) -> Path:
    """Returns where one of several studies goes: by preset, and by family where there are several."""
    if arguments.output is None:
        folder = Path("studies") / f"{config.benchmark}-{config.preset}"
    else:
        several = len({other.preset for other in configs}) > 1
        folder = arguments.output / config.preset if several else arguments.output
    several = len({other.family for other in configs}) > 1
    return folder / config.family.rsplit("/", 1)[-1] if several else folder


def command_of_one(arguments: Arguments, config: StudyConfig, output: Path, rerun: str) -> str:
    """Returns the command of a study that it runs alone; of several none: elsewhere they would mix."""
    return rerun if folder_of(arguments, config, [config]) == output else ""


def plays(config: StudyConfig, task: str) -> bool:
    """Whether a task is of the study's family."""
    return task.startswith(f"{config.family}/")


def run_one(arguments: Arguments, config: StudyConfig, output: Path, device: str, rerun: str) -> None:
    """Runs one study of those that the arguments ask for; `rerun` is what runs it again, for the report."""
    if not config.methods:
        run_players(arguments, config, output, rerun)
        return
    started = time.monotonic()
    console = make_console(arguments)
    options = options_of(arguments, device)
    plan = make_plan(config)
    if output.is_dir() and (arguments.tune is None or arguments.dry_run):
        check_owner(output, config.identity)
    try_plugins(console, arguments, plan, output, device)
    video = arguments.video if arguments.video and plays(config, arguments.video) else None
    if video:
        agents_that_play(config, plan, video)
    if arguments.tune is not None and not arguments.dry_run:
        config = tune(console, arguments, config, output, options)
        plan = make_plan(config)
    workers = workers_of(arguments, device, plan)
    if arguments.dry_run:
        tuning = make_tuning(config, arguments.tune).plan if arguments.tune is not None else None
        kept = [*([] if arguments.fresh else [output]), *(arguments.cache or ())]
        finished = found_in(kept, plan.jobs)
        estimate.show(console, config, plan, tuning, output, device, workers, finished)
        return
    estimate.check_memory(plan.jobs, device, workers)
    options = with_measured_needs(arguments, options, plan)
    store = Store(output)
    own = command_of_one(arguments, config, output, rerun)
    store.claim(config.identity, config.spec, plan.splits, plugins.loaded(), own)
    if arguments.tuned is not None:
        ship(tuning_folder(arguments.tuned, config.family), output)
    announce(console, config, plan, output, device, who_runs(options, workers))

    def finish() -> tuple[Results, Path, list[Path]]:
        results = collect(config, plan, store, rerun=rerun, control=arguments.control)
        report = write_report(store, results)
        return results, report, write_videos(config, plan, store, video) if video else []

    carry_out(console, arguments, plan, store, options, workers, config, rerun, finish)
    console.print(f"took      {duration(time.monotonic() - started)}")


def try_plugins(console: Console, arguments: Arguments, plan: Plan, output: Path, device: str) -> None:
    """Tries for a moment what plug-ins bring, if the jobs run on this machine; prints remarks on it.

    Raises:
        StudyError: It fails.
    """
    if launcher_of(arguments).here:
        kept = [*([] if arguments.fresh else [output]), *(arguments.cache or ())]
        for remark in rehearse(plan.jobs, device, lambda: found_in(kept, plan.jobs)):
            console.print(remark, style="yellow", soft_wrap=True)


def run_players(arguments: Arguments, config: StudyConfig, output: Path, rerun: str) -> None:
    """Runs a study in which nothing learns."""
    started = time.monotonic()
    console = make_console(arguments)
    plan = make_plan(config)
    workers = workers_of(arguments, "cpu", plan)
    announce(console, config, plan, output, "cpu", plural(workers, "worker") if workers else "this process")
    if arguments.dry_run:
        if output.exists():
            check_owner(output, config.identity)
        console.print(f"time      about {duration(players.estimate_s(plan, max(workers, 1)))}")
        return
    store = Store(output)
    own = command_of_one(arguments, config, output, rerun)
    store.claim(config.identity, config.spec, plan.splits, plugins.loaded(), own)

    def finish() -> tuple[players.PlayResults, Path, list[Path]]:
        results = players.collect_players(config, plan, store, rerun=rerun)
        return results, players.write_page(store, results), []

    options = options_of(arguments, "cpu")
    carry_out(console, arguments, plan, store, options, workers, config, rerun, finish)
    console.print(f"took      {duration(time.monotonic() - started)}")


def make_console(arguments: Arguments) -> Console:
    """Returns the terminal, as live or as plain as was asked for."""
    # Names of folders, tasks and methods are shown as they are, whatever brackets and colons they have.
    plain = False if arguments.plain else None
    return Console(soft_wrap=False, force_terminal=plain, highlight=False, markup=False, emoji=False)


def carry_out(
    console: Console,
    arguments: Arguments,
    plan: Plan,
    store: Store,
    options: RunOptions,
    workers: int,
    config: StudyConfig,
    rerun: str,
    finish: Callable[[], tuple[Results | players.PlayResults, Path, list[Path]]],
) -> None:
    """Runs what is missing, has `finish` give results, the report's page and videos; closes the store."""
    name = f"{config.benchmark}-{config.preset}"
    uri = arguments.tracking_uri or default_uri(store.root)
    tracker = tracking.Tracker(store, plan.jobs, name, config.spec, uri) if arguments.tracking else None
    try:
        take_over(console, arguments, plan, store)
        every_s = options.checkpoint_every_s
        found = PlanFile(
            jobs=plan.jobs,
            checkpoint_every_s=every_s,
            command=rerun,
            config=as_json(config),
            needs=options.needs,
        )
        write_plan(store.root, found)
        run_jobs(console, plan, store, tracker, options, workers)
        with said_at_once(partial(console.print, STOPPING)):
            results, report, videos = finish()
            status = None
            if tracker is not None:
                artifacts = [store.root / name for name in ("report", "results.parquet", "study.json")]
                status = tracker.finish([*artifacts, *videos], results.numbers)
    except KeyboardInterrupt:
        if tracker is not None:
            tracker.close("KILLED")
        raise
    finally:
        if tracker is not None:
            tracker.close()
        store.close()
    conclude(console, store.root, results, report, videos, status)


def take_over(console: Console, arguments: Arguments, plan: Plan, store: Store) -> None:
    """Moves finished jobs aside or takes those of other studies, as asked, and says so."""
    if arguments.fresh:
        moved, place = set_aside(store, plan.jobs)
        if moved:
            console.print(f"{plural(moved, 'finished job')} moved to {place}: all run anew", soft_wrap=True)
    if arguments.cache:
        taken, remarks = take_from(store, plan.jobs, arguments.cache)
        for remark in remarks:
            console.print(remark, style="yellow", soft_wrap=True)
        console.print(f"{plural(len(taken), 'finished job')} taken from other studies")


def tune(
    console: Console, arguments: Arguments, config: StudyConfig, output: Path, options: RunOptions
) -> StudyConfig:
    """Runs the trials on the validation levels; returns the study with each method's best settings."""
    tuning = make_tuning(config, arguments.tune or 0)
    plan = tuning.plan
    store = Store(output.with_name(f"{output.name}-tuning"))
    store.claim(config.identity, config.spec, plan.splits, plugins.loaded())
    try:
        workers = workers_of(arguments, options.device, plan)
        console.print(
            f"tuning: {plural(tuning.trials, 'trial')} of each method on "
            f"{plural(len(config.validation), f'validation {config.unit}')} of {config.family}; "
            f"{plural(len(plan.jobs), 'job')}, results in {store.root}"
        )
        every_s = options.checkpoint_every_s
        write_plan(store.root, PlanFile(jobs=plan.jobs, checkpoint_every_s=every_s, needs=options.needs))
        run_jobs(console, plan, store, None, options, workers)
        scores = tuning.scores(store)
        tuning.write(scores, store.root / "trials.csv")
        write_table(store.root / TUNING_SPENT, tuning.spent(store))
    finally:
        store.close()
    for name, mine in scores.items():
        listed = ", ".join(f"{score:.2f}" for score in mine)
        console.print(f"  {name}: {listed}; the best is trial {mine.index(max(mine))}", markup=False)
    console.print()
    return tuning.choose(scores)


def make_tuning(config: StudyConfig, trials: int) -> Tuning:
    """Returns the trials that come before a study.

    Raises:
        StudyError: There can be none.
    """
    try:
        return Tuning(config, trials)
    except ValueError as error:
        raise StudyError(str(error)) from None
