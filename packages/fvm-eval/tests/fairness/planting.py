"""What a careless or dishonest study might do to its tables, for `test_violations.py`."""

from dataclasses import replace

import numpy as np
import polars as pl
from fvm_eval import Budget, Fold, Ledger
from fvm_eval.claims import Claim, Component, Look
from fvm_eval.claims.looks import asked_hash
from fvm_eval.fairness import RUN, LeakAudit

STEPS = (0, 10_000, 20_000, 30_000, 40_000)


def only(table, **values):
    return table.filter([pl.col(name) == value for name, value in values.items()])


def without(table, **values):
    return table.filter(~pl.all_horizontal([pl.col(name) == value for name, value in values.items()]))


def changed(study, **tables):
    return replace(study, **tables)


def episodes(study, change):
    return replace(study, episodes=change(study.episodes))


def spending(study, method, **values):
    own = pl.col("method") == method
    new = [pl.when(own).then(v).otherwise(pl.col(k)).alias(k) for k, v in values.items()]
    return replace(study, spending=study.spending.with_columns(new))


def best_of_both_halves(table):
    """The better half of the episodes, renumbered as if they were all."""
    cell = [*RUN, "env_step"]
    ranked = table.sort([*cell, "score"], descending=[False] * len(cell) + [True])
    ranked = ranked.with_columns(episode=pl.int_range(pl.len()).over(cell))
    return ranked.filter(pl.col("episode") < 10)


def running_maximum(table, method=None):
    """Each snapshot's episodes replaced by those of the best snapshot so far."""
    means = table.group_by([*RUN, "env_step"]).agg(value=pl.col("score").mean()).sort([*RUN, "env_step"])
    rows = []
    for (name, *key), run in means.group_by(RUN, maintain_order=True):
        best, source = -np.inf, 0
        for step, value in run.select("env_step", "value").iter_rows():
            if value > best or (method is not None and name != method):
                best, source = value, step
            rows.append((name, *key, step, source))
    chosen = pl.DataFrame(rows, schema=[*RUN, "env_step", "source"], orient="row")
    renamed = table.rename({"env_step": "source"}).drop("episode").with_columns(episode=table["episode"])
    joined = chosen.join(renamed, on=[*RUN, "source"])
    return joined.select([*RUN, "env_step", "episode", "score"])


def best_brought_back(table, method):
    """A method's final episodes replaced by those of its best snapshot, where an earlier one was best."""
    means = table.group_by([*RUN, "env_step"]).agg(value=pl.col("score").mean())
    best = means.sort("value", "env_step").group_by(RUN).last().rename({"env_step": "source"}).drop("value")
    best = best.with_columns(source=pl.when(pl.col("method") == method).then("source").otherwise(40_000))
    chosen = table.join(best, left_on=[*RUN, "env_step"], right_on=[*RUN, "source"], how="semi")
    chosen = chosen.with_columns(env_step=pl.lit(40_000, pl.Int64))
    return pl.concat([without(table, env_step=40_000), chosen])


def shuffled(table):
    """Seed 1's episodes are seed 0's in another order, as if they were its own."""
    cell = [*RUN, "env_step"]
    copy = only(seed_1_from_0(table), seed=1).sort("score", "episode", descending=[True, False])
    copy = copy.with_columns(episode=pl.int_range(pl.len()).over(cell))
    return pl.concat([without(table, seed=1), copy.cast(table.schema)])


def taken_from_scratch(table):
    """Both seeds of the other method are scratch's under another name."""
    copy = only(table, method="scratch").with_columns(
        method=pl.lit("multitask"), checkpoint=pl.format("multitask/{}", "seed")
    )
    return pl.concat([only(table, method="scratch"), copy.select(table.columns)])


def planned(study, **columns):
    return replace(study, plan=study.plan.with_columns(**columns))


def no_longer_tested(study):
    """A hard task is out of table, plan and ledger, but not out of the split."""
    gone = {"task": study.tasks[0]}
    tables = {
        name: without(getattr(study, name), **gone) for name in ("episodes", "plan", "spending", "online")
    }
    return replace(study, **tables)


def with_claim(study, margin=0.1, **change):
    better = Component(
        name="better", summary="Value at budget", weights={"multitask": 1, "scratch": -1}, margin=margin
    )
    return replace(
        study, comparisons=(), claims=[Claim(id="C1", statement="s", components=[better], **change)]
    )


def looked_at_with(study, margin):
    """The claims' margin was another one when the same runs were judged before."""
    asked, now = (asked_hash(with_claim(study, m).claims) for m in (margin, 0.1))
    clusters = study.looks[0].clusters
    return replace(with_claim(study), looks=[Look(clusters, 2, True, asked), Look(clusters, 2, False, now)])


def looked_only_at(study, **other):
    """The log's only look was at other claims than those that are decided."""
    asked = asked_hash(with_claim(study, **other).claims)
    return replace(with_claim(study), looks=[replace(study.looks[0], asked=asked)])


def cut_short_and_planned(study, spends):
    """The rival took half of the steps that its snapshots claim, and the plan says a number that is none."""
    of_plan = pl.when(pl.col("method") == "scratch").then(spends).otherwise("spends")
    return planned(spending(study, "scratch", env_steps=20_000), spends=of_plan)


def demos_by_plan(study):
    """The plan itself gives one method demonstrations, and the ledger agrees."""
    given = pl.when(pl.col("method") == "multitask").then(3).otherwise(0).alias("demos")
    budget = Budget(40_000, demos=3)
    return replace(
        study,
        budget=budget,
        ledgers={method: Ledger(budget) for method in study.ledgers},
        plan=study.plan.with_columns(given),
        spending=study.spending.with_columns(given),
    )


def rival_cut_short_by_plan(study):
    """Plan and ledger give the rival half of the steps that its snapshots claim."""
    half = pl.when(pl.col("method") == "scratch").then(20_000).otherwise(40_000)
    return planned(spending(study, "scratch", env_steps=20_000), spends=half)


def fold_with(study, **parts):
    fold = study.folds["fixed"]
    new = Fold(**{"train": fold.train, "validation": fold.validation, "held_out": fold.held_out, **parts})
    return replace(study, folds={"fixed": new})


def tuned(study, **values):
    return replace(study, tuning=study.tuning.with_columns(**values))


def seed_1_from_0(table):
    copy = only(table, seed=0).with_columns(seed=pl.lit(1), checkpoint=pl.format("{}/1", "method"))
    return pl.concat([without(table, seed=1), copy.cast(table.schema)])


def crossed(study, of_task):
    """Two folds, each of which trains on the task that the other holds out; which a run had, by task."""
    folds = {name: Fold(("t", study.tasks[1 - i]), (), (study.tasks[i],)) for i, name in enumerate("ab")}
    plan = study.plan
    if of_task is not None:
        names = {study.tasks[i]: name for i, name in of_task.items()}
        plan = plan.with_columns(split=pl.col("task").replace_strict(names))
    audit = LeakAudit(9, 100, (), "entities")
    hashes = [fold.sha256 for fold in folds.values()]
    return replace(study, folds=folds, recorded_splits=hashes, plan=plan, leak_audit=audit)
