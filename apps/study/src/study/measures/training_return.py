"""Whether pretraining learned: its agent beats random play on a fixed sample of its training tasks.

Without that a comparison of what follows means nothing, so it is every claim's precondition. An agent that
remembers plays lifetimes as it was trained on; its score is that of a mean trial. One that must find out
which task it plays does so first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from fvm_eval.claims import Precondition, pretraining_learned
from fvm_eval.curves import normalise
from fvm_meta import Paradigm

from study.arm_names import RANDOM_ARM
from study.claims.arms import TRAINED, learned
from study.jobs.environments import score_range_of
from study.learners import read_spec
from study.measures.columns import RUN
from study.registry import Findings, Finished, Measure, Rows, registered
from study.results.score_bounds import normalised_bounds

if TYPE_CHECKING:
    from study.config import StudyConfig
    from study.jobs.evaluation import Context
    from study.plan import Job


def wanted(config: StudyConfig, job: Job) -> dict[str, Any]:
    """Returns how many tasks and episodes a study asks for, and whether agents are told their task first."""
    evaluation = config.evaluation
    learner, _ = read_spec(job.spec["phase"])
    paradigm = registered().methods[job.spec["paradigm"]].made_by(learner)
    informed = {} if paradigm.player is Paradigm.player else {"informed": True}
    return {
        **informed,
        "tasks": evaluation.training_tasks,
        "episodes": evaluation.training_episodes,
        "max_steps": evaluation.max_steps,
        "num_envs": evaluation.num_envs,
    }


def play(agent: Any, context: Context) -> Rows:
    """Returns rows policy ("agent" or "random"), task, episode, score."""
    settings, spec = context.settings, context.spec
    tasks = spec["tasks"][: settings["tasks"]]
    trials = spec["config"]["trials"] if "reward_scale" in spec else 1
    players: list[tuple[str, Any, list[str]]] = [("agent", agent, tasks), ("random", "random", tasks)]
    if context.informed is not None:
        players[:1] = [("agent", context.informed(task), [task]) for task in tasks]
    return [
        {
            "policy": name,
            "task": where[played.task_position],
            "episode": played.episode,
            "score": played.score / trials,
        }
        for name, policy, where in players
        for played in context.play(policy, where, settings["episodes"], trials=trials)
    ]


def findings(finished: Finished) -> Findings:
    """Returns a precondition for each pretraining of the study."""
    table = finished.rows(TRAINING_RETURN)
    found: list[Precondition] = []
    cells: list[pl.DataFrame] = []
    for method in dict.fromkeys(job.method for job in finished.pretrainings):
        mine = table.filter(method=method)
        ranges = {task: score_range_of(finished.config.benchmark, task) for task in mine["task"].unique()}
        mine = normalise(mine, ranges)
        cells.append(arms_of(mine, method))
        scores = {
            is_random: [
                float(one["score"].to_numpy().mean())
                for one in mine.filter((pl.col("policy") == "random") == is_random)
                .sort("seed", maintain_order=True)
                .partition_by("checkpoint", maintain_order=True)
            ]
            for is_random in (True, False)
        }
        name = learned(method, finished.config.unit)
        bounds = normalised_bounds(finished.config, ranges)
        found.append(pretraining_learned(scores[False], scores[True], name=name, score_bounds=bounds))
    return Findings(cells={TRAINED: pl.concat(cells)} if cells else {}, preconditions=found)


def arms_of(rows: pl.DataFrame, method: str) -> pl.DataFrame:
    """Returns cells of a method's pretrained agents and of random play beside each, over their tasks."""
    arm = pl.when(pl.col("policy") == "random").then(pl.lit(RANDOM_ARM.format(method))).otherwise("method")
    each = rows.with_columns(
        method=arm, checkpoint=pl.format("{}/{}", arm, "seed"), task=pl.lit("training tasks")
    )
    return each.group_by(RUN).agg(value=pl.col("score").mean()).select(*RUN, "value").sort(RUN)


TRAINING_RETURN = Measure(
    name="training-return", version=1, of="pretrain", wanted=wanted, play=play, findings=findings
)
