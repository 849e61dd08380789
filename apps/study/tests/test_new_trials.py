"""The return by trial on new levels, where few held-out levels leave a gain unsure."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from fvm_eval.analysis.study_results import VALUE
from study.claims.arms import NEW_TRIALS, TRIALS
from study.claims.procgen import procgen_claims, reptile_of
from study.measures.new_trials import TRIALS_ON_NEW_LEVELS, cells, play, wanted
from study.plan import make_plan
from study.presets import procgen


class Lives:
    """An agent whose k-th trial scores k - 1, and the place where it plays."""

    def __init__(self, trials: int) -> None:
        self.spec = {"config": {"trials": trials}}
        self.settings = {"tasks": ["a", "b"], "lifetimes": 2, "trials": 3}

    def remembering(self, memory: Any) -> str:
        assert memory is None
        return "agent"

    def play(self, agent: str, tasks: list[str], episodes: int, trials: int = 1) -> list[Any]:
        assert (agent, len(tasks)) == ("agent", 2)
        lived = len(tasks) * episodes
        if trials == 1:
            return [SimpleNamespace(score=float(i % 3)) for i in range(lived)]
        return [SimpleNamespace(trials=[0.0, 1.0, 2.0]) for _ in range(lived)]


@pytest.mark.parametrize("trained", [1, 4])
def test_every_trial_is_a_mean_over_levels_and_lifetimes(trained: int) -> None:
    agent: Any = Lives(trained)
    assert play(agent, agent) == [{"trial": i + 1, "score": float(i)} for i in range(3)]


def test_cells_have_an_arm_for_each_trial_as_a_share_of_the_range() -> None:
    rows = pl.DataFrame(
        [("rl2", 0, 7, "rl2/7", 1, 2.5), ("rl2", 0, 7, "rl2/7", 2, 5.0)],
        schema=["method", "fold", "seed", "checkpoint", "trial", "score"],
        orient="row",
    )
    found = cells(rows, {"a": (0.0, 10.0)})[NEW_TRIALS]
    assert found.select("method", "value").rows() == [("rl2 trial 1", 0.25), ("rl2 trial 2", 0.5)]


def test_rl2_and_its_control_are_asked_once_a_pretraining() -> None:
    jobs = make_plan(procgen.SMALL).jobs
    asked = [job for job in jobs if job.spec.get("measure") == TRIALS_ON_NEW_LEVELS.name]
    assert sorted({job.method for job in asked}) == ["rl2", "rl2-reset"]
    assert len(asked) == 2 * procgen.SMALL.seeds
    assert len(asked[0].spec["settings"]["tasks"]) == 400
    quick = make_plan(procgen.QUICK).jobs
    assert all(wanted(procgen.QUICK, job) is None for job in quick if job.kind == "pretrain")


def test_c4_is_about_new_levels_where_they_are_asked_and_c1_about_the_reptile_that_is_there() -> None:
    small = {claim.id: claim for claim in procgen_claims(procgen.SMALL)}
    assert {part.summary for part in small["C4"].components} == {NEW_TRIALS}
    assert reptile_of(procgen.SMALL) == "reptile-batch"
    assert {"reptile-batch", "rl2"} <= {arm for part in small["C1"].components for arm in part.weights}
    quick = {claim.id: claim for claim in procgen_claims(procgen.QUICK)}
    assert {part.summary for part in quick["C4"].components} == {TRIALS}
    assert quick["C1"].components[0].summary == VALUE
