"""What adapting takes from the training tasks: their score before fine-tuning minus after it.

Asked for by `--forgetting`; not applicable where no gradient changes the agent. The score before is what the
measure of the training return found of the same pretraining on the same tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from fvm_eval.curves import normalise

from study.claims.arms import FORGETTING
from study.jobs.environments import score_range_of
from study.measures.columns import RUN
from study.measures.training_return import TRAINING_RETURN
from study.methods import Method, Row
from study.registry import Findings, Finished, Measure, Rows

if TYPE_CHECKING:
    from study.config import StudyConfig
    from study.jobs.evaluation import Context
    from study.plan import Job


def wanted(config: StudyConfig, job: Job) -> dict[str, Any] | None:
    """Returns tasks and episodes as those of the training return; None where nothing can be forgotten."""
    evaluation = config.evaluation
    learns = Method.parse(Row.parse(job.method).method).way.does == "learns"
    if not evaluation.forgetting or job.parent is None or not learns:
        return None
    return {
        "tasks": evaluation.training_tasks,
        "episodes": evaluation.training_episodes,
        "max_steps": evaluation.max_steps,
        "num_envs": evaluation.num_envs,
    }


def play(agent: Any, context: Context) -> Rows:
    """Returns rows task, episode, score on the pretraining's tasks; whoever remembers plays lifetimes."""
    settings, pretraining = context.settings, context.pretraining
    tasks = pretraining["tasks"][: settings["tasks"]]
    trials = pretraining["config"]["trials"] if "reward_scale" in pretraining else 1
    return [
        {
            "task": tasks[played.task_position],
            "episode": played.episode,
            "score": played.score / trials,
        }
        for played in context.play(agent, tasks, settings["episodes"], trials=trials)
    ]


def lost(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Returns cells of what each adaptation lost, the mean over its training tasks; above 0 is forgotten.

    Args:
        before: Columns fold, checkpoint, task, score of the pretrained agents on training tasks, normalised.
        after: Columns method, fold, seed, checkpoint, adapted (the held-out task), task, score.
    """
    unit = ["fold", "checkpoint"]
    once = before.group_by(*unit, "task").agg(before=pl.col("score").mean())
    run = [name for name in RUN if name != "task"]
    runs = (
        after.group_by(*run, "adapted", "task")
        .agg(after=pl.col("score").mean())
        .join(once, on=[*unit, "task"])
    )
    cells = runs.group_by(*run, "adapted").agg(value=(pl.col("before") - pl.col("after")).mean())
    return cells.rename({"adapted": "task"}).select(*RUN, "value").sort(RUN)


def findings(finished: Finished) -> Findings:
    """Returns those cells; nothing where no study asked."""
    jobs = [job for job in finished.plan.jobs if job.spec.get("measure") == FORGOTTEN.name]
    if not jobs:
        return Findings()
    tables = [
        finished.store.table([job], "rows").with_columns(adapted=pl.lit(str(job.parent.spec["task"])))
        for job in jobs
        if job.parent is not None
    ]
    after, before = pl.concat(tables), finished.rows(TRAINING_RETURN).filter(policy="agent")
    ranges = {task: score_range_of(finished.config.benchmark, task) for task in after["task"].unique()}
    before = before.filter(pl.col("task").is_in(list(ranges)))
    return Findings(cells={FORGETTING: lost(normalise(before, ranges), normalise(after, ranges))})


FORGOTTEN = Measure(name="forgetting", version=1, wanted=wanted, play=play, findings=findings)
