"""What frozen agents still know of FAR, where the pretrained one is good and fine-tuning goes late.

They begin in such states: deep in a level, at the apple, or in the tasks of the pretraining themselves
(`StudyConfig.far`). Asked at every snapshot of an adaptation that is a curve beside the adaptation's own; the
pretrained agent and random play are asked once each pretraining. EVALUATION's conditions are preconditions of
claim C11: the teacher beats random play there by an interval, and fine-tuning visits FAR in less than 5 % of
its steps during the window. What is lost is the teacher's score minus the window's mean, never its minimum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl
from fvm_eval.curves import area_under_curve, normalise, run_curves

from study.arm_names import first
from study.claims.arms import AREA_BY_ORDER
from study.jobs.environments import score_range_of
from study.measures.columns import RUN
from study.measures.far_cells import far_findings
from study.measures.far_panels import panels_of
from study.methods import Method, Row
from study.registry import Findings, Finished, Measure, Rows
from study.results.score_bounds import bounds_on

if TYPE_CHECKING:
    from study.config import StudyConfig
    from study.jobs.evaluation import Context
    from study.plan import Job

TABLE = "far.parquet"
VISITED = "far/visited"  # metric of an adaptation whose envs say where they are
PLACE = "FAR"


def settings_of(config: StudyConfig, pretraining: Job) -> dict[str, Any] | None:
    """Returns what is asked of agents that come from a pretraining; None where a study asks nothing."""
    far = config.far
    if far is None:
        return None
    own = list(pretraining.spec["tasks"][: far.num_tasks])
    return {
        "tasks": [config.task_id(name) for name in far.tasks] or own,
        "env_options": dict(far.env_options),
        "episodes": far.episodes,
        "max_steps": far.max_steps,
        "num_envs": config.evaluation.num_envs,
    }


def of_adaptation(config: StudyConfig, job: Job) -> dict[str, Any] | None:
    """Returns what is asked at each snapshot of an adaptation; None of one from scratch."""
    return None if job.parent is None else settings_of(config, job.parent)


def play(agent: Any, context: Context) -> Rows:
    """Returns rows begun (the task that begins in FAR), episode, score, of a policy or a scripted player."""
    settings, spec = context.settings, context.spec
    if settings["env_options"]:
        spec = {**spec, "env_options": {**spec["env_options"], **settings["env_options"]}}
        context = replace(context, spec=spec)
    tasks, trials = settings["tasks"], spec["config"]["trials"] if "reward_scale" in spec else 1
    return [
        {"begun": tasks[one.task_position], "episode": one.episode, "score": one.score / trials}
        for one in context.play(agent, tasks, settings["episodes"], trials=trials)
    ]


def play_while_adapting(agent: Any, context: Context) -> Rows:
    """Returns the same rows with task, what the agent adapts to."""
    return [{"task": context.spec["task"], **row} for row in play(agent, context)]


def play_teacher(agent: Any, context: Context) -> Rows:
    """Returns the same rows with policy, "teacher" or "random"."""
    players = {"teacher": agent, "random": "random"}
    return [{"policy": name, **row} for name, policy in players.items() for row in play(policy, context)]


def table_of(finished: Finished) -> pl.DataFrame:
    """Returns what `far_cells.far_findings` reads: scores in FAR of agents, teachers and random play.

    Columns method, fold, seed, checkpoint, task (adapted to), env_step, policy, place, begun (the task that
    begins in FAR), episode, score (normalised) and far_frac: the share of the adaptation's env steps so far
    that lay in FAR, null where nobody knows, and of teachers and random play. Their rows stand once for each
    method that starts from the teacher, and for each task.
    """
    asked = finished.rows(FAR)
    if asked.is_empty():
        return asked
    agents = asked.with_columns(policy=pl.lit("agent")).join(
        visited(finished), on=["method", "seed", "checkpoint", "task", "env_step"], how="left"
    )
    runs = asked.select(RUN).unique()
    known = finished.rows(FAR_TEACHER).drop("method", "fold").join(runs, on=["seed", "checkpoint"])
    known = known.with_columns(env_step=pl.lit(0, pl.Int64), far_frac=pl.lit(None, pl.Float64))
    columns = [*RUN, "env_step", "policy", "begun", "episode", "score", "far_frac"]
    both = pl.concat([agents.select(columns), known.select(columns)])
    ranges = {task: score_range_of(finished.config.benchmark, task) for task in both["begun"].unique()}
    scored = normalise(both.rename({"task": "adapted", "begun": "task"}), ranges)
    named = scored.rename({"task": "begun", "adapted": "task"}).with_columns(place=pl.lit(PLACE))
    return named.sort([*RUN, "policy", "env_step", "begun", "episode"])


def visited(finished: Finished) -> pl.DataFrame:
    """Returns method, seed, checkpoint, task, env_step, far_frac of each adaptation's snapshots."""
    rows = []
    elsewhere = not_in_them(finished.config)
    for job in finished.adaptations:
        if FAR.name not in job.spec.get("measures", {}):
            continue
        still = elsewhere or Method.parse(Row.parse(job.method).method).way.zero_shot
        told = finished.store.table([job], "metrics").filter(metric=VISITED)
        for step in job.spec["at"]:
            so_far = told.filter(pl.col("env_step") <= step)["value"].to_numpy()
            share = float(so_far.mean()) if len(so_far) else 0.0 if still or step == 0 else None
            rows.append((job.method, job.seed, job.checkpoint, job.spec["task"], step, share))
    schema = {
        "method": pl.String,
        "seed": pl.Int64,
        "checkpoint": pl.String,
        "task": pl.String,
        "env_step": pl.Int64,
        "far_frac": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def not_in_them(config: StudyConfig) -> bool:
    """Whether FAR is in the pretraining's own tasks: none is adapted to, so fine-tuning never goes there."""
    far = config.far
    return far is not None and not far.tasks


def by_order(finished: Finished, order: Mapping[str, str]) -> pl.DataFrame:
    """Returns cells of areas under the curve, with an arm for each method and what its task meets first.

    Tasks are named by their place among those of their order, since the n-th of one order is compared with
    the n-th of the other, never with itself.
    """
    areas = area_under_curve(run_curves(finished.episodes), finished.config.adapt.env_steps)
    arms: dict[str, str] = {}
    places: dict[str, str] = {}
    for area in ("CLOSE", "FAR"):
        mine = [task for task in finished.config.held_out if order.get(str(task), "CLOSE") == area]
        for place, task in enumerate(mine, 1):
            name = finished.config.task_id(task)
            arms[name], places[name] = area, f"pair {place}"
    met = [first(method, arms[task]) for method, task in areas.select("method", "task").iter_rows()]
    named = areas.with_columns(method=pl.Series(met, dtype=pl.String), task=pl.col("task").replace(places))
    return named.select(*RUN, "value").sort(RUN)


def findings(finished: Finished) -> Findings:
    """Returns what is lost on FAR, areas by what comes first, C11's conditions, and the rows as a file."""
    config = finished.config
    if config.far is None:
        return Findings()
    table = table_of(finished)
    if table.is_empty():
        return Findings()
    close_first = [config.task_id(t) for t in config.held_out if config.far.order.get(str(t)) != "FAR"]
    asked, window = table.filter(pl.col("task").is_in(close_first)), (1, config.far.window_env_steps)
    if asked.is_empty():  # FAR comes first everywhere: the control in which there is nothing to forget
        return Findings(cells={AREA_BY_ORDER: by_order(finished, config.far.order)}, tables={TABLE: table})
    found = far_findings(asked, window, bounds_on(config, asked["begun"].unique()))
    cells = {**found.cells, AREA_BY_ORDER: by_order(finished, config.far.order)}
    panels = panels_of(finished, asked, found, window)
    return replace(found, cells=cells, panels=panels, tables={**found.tables, TABLE: table})


FAR = Measure(
    name="far", version=1, at="snapshots", wanted=of_adaptation, play=play_while_adapting, findings=findings
)
FAR_TEACHER = Measure(name="far-teacher", version=1, of="pretrain", wanted=settings_of, play=play_teacher)
