import polars as pl
import pytest
from fvm_eval import curves
from fvm_eval.table import TableError, check_table


def episodes(scores, method="m", seed=0, task="t"):
    """Rows of one run from {env_step: [episode scores]}."""
    rows = [
        (method, 0, seed, f"{method}/{seed}", task, step, i, float(score))
        for step, values in scores.items()
        for i, score in enumerate(values)
    ]
    columns = ["method", "fold", "seed", "checkpoint", "task", "env_step", "episode", "score"]
    return check_table(pl.DataFrame(rows, schema=columns, orient="row"))


RUNS = curves.run_curves(
    pl.concat(
        [
            episodes({0: [0, 2], 50: [4], 100: [5, 5, 8]}, task="a"),
            episodes({0: [0], 50: [0, 0], 100: [2]}, task="b"),
        ]
    )
)


def values(cells):
    return dict(zip(cells["task"], cells["value"], strict=True))


def test_runs_average_episodes_and_checkpoints_average_tasks_equally():
    assert RUNS["value"].to_list() == [1, 4, 6, 0, 0, 2]
    assert RUNS["episodes"].to_list() == [2, 1, 3, 1, 2, 1]
    pooled = curves.checkpoint_curves(RUNS)
    assert pooled["value"].to_list() == [0.5, 2, 4]
    assert pooled["tasks"].to_list() == [2, 2, 2]


def test_pooled_curves_have_intervals_over_checkpoints():
    two = pl.concat([RUNS, RUNS.with_columns(checkpoint=pl.lit("m/1"), value=pl.col("value") + 2)])
    pooled = curves.pooled_curves(two)
    assert pooled["value"].to_list() == [1.5, 3, 5]
    assert pooled["checkpoints"].to_list() == [2, 2, 2]
    assert pooled["high"][0] - 1.5 == pytest.approx(12.7062, rel=1e-5)
    assert curves.pooled_curves(RUNS)["low"].null_count() == 3


def test_summaries_by_hand():
    assert values(curves.value_at(RUNS, 100)) == {"a": 6, "b": 2}
    # a: (1+4)/2*50 + (4+6)/2*50 = 375; b: 0 + 50
    assert values(curves.area_under_curve(RUNS, 100)) == {"a": 3.75, "b": 0.5}
    assert values(curves.area_under_curve(RUNS, 50)) == {"a": 2.5, "b": 0}
    times = curves.time_to_threshold(RUNS, 3, 100)
    assert values(times) == {"a": 50, "b": 100}
    assert times["censored"].to_list() == [False, True]


def test_forgetting_is_before_minus_after():
    start, end = curves.value_at(RUNS, 0), curves.value_at(RUNS, 100)
    assert values(curves.forgetting(end, start)) == {"a": 5, "b": 2}


def test_a_run_without_the_point_is_named():
    with pytest.raises(
        TableError, match="2 of 2 runs have no evaluation at env_step 70, the first is method=m"
    ):
        curves.value_at(RUNS, 70)
    with pytest.raises(TableError, match="env_step 0"):
        curves.area_under_curve(RUNS.filter(pl.col("env_step") > 0), 100)
    with pytest.raises(ValueError, match="budget=0"):
        curves.area_under_curve(RUNS, 0)


def test_normalise_maps_each_tasks_range_to_one():
    table = pl.concat([episodes({0: [5, 10]}, task="a"), episodes({0: [-1, 3]}, task="b")])
    ranges = {"a": (5.0, 10.0), "b": (-1.0, 1.0)}
    assert curves.normalise(table, ranges)["score"].to_list() == [0, 1, 0, 2]
    with pytest.raises(TableError, match="no score range for b"):
        curves.normalise(table, {"a": (0.0, 1.0)})
    with pytest.raises(TableError, match="of b is empty"):
        curves.normalise(table, {**ranges, "b": (1.0, 1.0)})
