"""Columns under other names, wide tables, seeds that are names, steps, clusters."""

import polars as pl
import pytest
from fvm_eval.reading import Request, ranges_for, read
from fvm_eval.table import TableError


def frame(rows, *names):
    return pl.DataFrame(rows, schema=list(names), orient="row")


def test_other_tools_names_are_known_and_said():
    reading = read(
        frame(
            [("a", 0, "t", 9, 1.0), ("a", 1, "t", 9, 2.0)],
            "algo",
            "seed",
            "env_id",
            "global_step",
            "episode_reward",
        )
    )
    assert reading.episodes.select("method", "task", "env_step", "score").row(0) == ("a", "t", 9, 1.0)
    assert "score from column 'episode_reward'" in reading.said


def test_map_and_set():
    table = frame([("a", 0, 1.0, 0.5), ("a", 1, 2.0, 0.7)], "who", "seed", "return", "success")
    request = Request(columns={"method": "who", "score": "success"}, constants={"task": "maze"})
    assert read(table, request).episodes["score"].to_list() == [0.5, 0.7]
    with pytest.raises(
        TableError, match="2 that may be it: 'return', 'success'; say which by --map score=return"
    ):
        read(table, Request(columns={"method": "who"}, constants={"task": "maze"}))
    with pytest.raises(TableError, match=r"--map score=sucess: .* no such column.*did you mean 'success'"):
        read(table, Request(columns={"method": "who", "score": "sucess"}))
    with pytest.raises(TableError, match=r"no column 'scores' to fill.*did you mean score"):
        read(table, Request(columns={"scores": "success"}))
    with pytest.raises(TableError, match=r"lacks the column task.*--map task=COLUMN.*--set task=VALUE"):
        read(table, Request(columns={"method": "who", "score": "success"}))


@pytest.mark.parametrize(
    ("rows", "names", "kind"),
    [
        ([("a", 0, 1, 2), ("a", 1, 3, 4)], ("method", "seed", "pong", "qbert"), "tasks: pong, qbert"),
        (
            [("a", "pong", 1, 3), ("a", "qbert", 2, 4)],
            ("method", "task", "seed_0", "seed_1"),
            "seeds: seed_0, seed_1",
        ),
        (
            [(0, "a", 0, 1, 2), (1, "a", 1, 3, 4)],
            ("Unnamed: 0", "method", "seed", "pong", "qbert"),
            "tasks: pong, qbert",
        ),
        ([(0, "pong", 1), (0, "qbert", 2), (1, "pong", 3), (1, "qbert", 4)], ("seed", "task", "a"), None),
    ],
)
def test_wide_tables(rows, names, kind):
    table = frame(rows, *names)
    if kind is None:  # one column of numbers left over may be anything
        with pytest.raises(TableError, match="lacks the columns method, score"):
            read(table)
        return
    reading = read(table)
    found = reading.episodes.select("method", "seed", "task", "score").sort("task", "seed").rows()
    assert found == [
        ("a", 0, "pong", 1.0),
        ("a", 1, "pong", 3.0),
        ("a", 0, "qbert", 2.0),
        ("a", 1, "qbert", 4.0),
    ]
    assert kind in reading.said[0]


def test_a_method_a_column_and_empty_cells(tmp_path):
    (tmp_path / "w.csv").write_text("seed;task;ppo;dqn\n0;t;0,5;1\n1;t;;2\n")
    reading = read(tmp_path / "w.csv")
    assert reading.episodes.select("method", "seed", "score").sort("method", "seed").rows() == [
        ("dqn", 0, 1.0),
        ("dqn", 1, 2.0),
        ("ppo", 0, 0.5),
    ]
    assert "cells left out as empty: 1" in " ".join(reading.said)


def test_seeds_that_are_names_are_numbered_in_natural_order():
    reading = read(
        frame([("a", f"run{i}", "t", float(i)) for i in (10, 2, 1)], "method", "seed", "task", "score")
    )
    assert reading.episodes.select("seed", "score").sort("seed").rows() == [(0, 1.0), (1, 2.0), (2, 10.0)]


def test_pandas_index_and_missing_values():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"method": ["a", "a"], "seed": [0, 1], "task": ["t", "t"], "score": [1.0, 2.0]})
    assert read(table.set_index(["method", "seed"])).episodes["score"].to_list() == [1.0, 2.0]
    table.loc[1, "task"] = None
    with pytest.raises(TableError, match=r"column task, row 1 \(counted from 0\): is empty"):
        read(table)
    for nothing in ([1, 2], {}, 3):
        with pytest.raises(TableError, match="is no table: give a path, or a frame"):
            read(nothing)


STEPS = [("a", s, "t", step, 1.0) for s in (0, 1) for step in (0, 100, 200)]
NAMES = ("method", "seed", "task", "env_step", "score")


def test_runs_that_end_at_different_steps_are_compared_where_all_were():
    rows = [row for row in STEPS if row[1:4:2] != (1, 200)]
    with pytest.raises(
        TableError, match=r"1 of 2 runs have no evaluation at env step 200.*seed 1.*ends at 100.*--at 100$"
    ):
        read(frame(rows, *NAMES))
    reading = read(frame(rows, *NAMES), Request(at=100))
    assert reading.episodes["env_step"].max() == 100
    assert reading.said[-1] == "compared at env step 100; rows of later steps left out: 1"
    with pytest.raises(TableError, match=r"--at 150: 2 of 2 runs have no evaluation.*all runs have 0, 100"):
        read(frame(rows, *NAMES), Request(at=150))


def test_steps_that_fall_anywhere_go_into_bins():
    rows = [("a", 0, "t", 90, 1.0), ("a", 0, "t", 100, 3.0), ("a", 1, "t", 7, 5.0), ("a", 1, "t", 101, 7.0)]
    with pytest.raises(TableError, match="no step is common to all: put steps into bins by --bin"):
        read(frame(rows, *NAMES))
    reading = read(frame(rows, *NAMES), Request(bin=100, at=100))
    assert reading.episodes.select("seed", "env_step", "episode", "score").rows() == [
        (0, 100, 0, 1.0),
        (0, 100, 1, 3.0),
        (1, 100, 0, 5.0),
    ]


def test_players_that_never_learn_are_not_methods():
    reading = read(frame([*STEPS, ("random", 0, "t", 0, 0.1)], *NAMES))
    assert reading.episodes["method"].unique().to_list() == ["a"]
    assert reading.players["method"].to_list() == ["random"]


def checkpoints(name, methods=("a", "b"), seeds=5, tasks=("p", "q")):
    return frame(
        [
            (m, s, t, name.format(m=m, s=s, t=t), float(s))
            for m in methods
            for s in range(seeds)
            for t in tasks
        ],
        *("method", "seed", "task", "checkpoint", "score"),
    )


@pytest.mark.parametrize(
    "name",
    [
        "final.pt",
        "runs/{m}/{s}/model.zip",
        "best",
        "step_5000",
        "100k",
        "2000000",
        "epoch 3",
        "base",
        "ckpt-7000",
    ],
)
def test_a_checkpoint_that_says_when_or_where_is_refused_with_what_to_do(name):
    with pytest.raises(TableError, match=r"column checkpoint .*--map checkpoint=none"):
        read(checkpoints(name))
    assert (
        "5 a method: each method and seed is one"
        in read(checkpoints(name), Request(columns={"checkpoint": "none"})).clusters
    )


@pytest.mark.parametrize("steps", [(1000, 2000, 3000), (1, 2, 3)])
def test_steps_as_checkpoints_are_refused(steps):
    rows = [(m, s, "t", c, float(s)) for m in "ab" for s in range(5) for c in steps]
    table = frame(rows, "method", "seed", "task", "checkpoint", "score")
    with pytest.raises(TableError, match="holds training steps, as"):
        read(table)


def test_checkpoints_that_change_with_the_step_or_with_every_row_are_refused():
    rows = [
        (m, s, "t", step, f"{m}-{s}-{'xyz'[step // 10]}", 1.0)
        for m in "ab"
        for s in range(3)
        for step in (0, 10, 20)
    ]
    with pytest.raises(TableError, match=r"another value in every row|changes with env_step"):
        read(frame(rows, "method", "seed", "task", "env_step", "checkpoint", "score"))
    rows = [(m, s, t, f"id{m}{s}{t}x{s * 7}", 1.0) for m in "ab" for s in range(3) for t in ("walk", "run")]
    with_names = frame(rows, "method", "seed", "task", "checkpoint", "score")
    assert "6 a method" in read(with_names).clusters  # they say their task: a training each
    rows = [(*row[:3], f"u{i}", 1.0) for i, row in enumerate(rows)]
    with pytest.raises(TableError, match="another value in every row"):
        read(frame(rows, "method", "seed", "task", "checkpoint", "score"))


def test_true_clusters_are_taken():
    assert read(checkpoints("{m}/{s}")).clusters == "5 a method by the column checkpoint"
    assert read(checkpoints("{m}/{s}/{t}")).clusters == "10 a method by the column checkpoint"
    assert "which are paired there" in read(checkpoints("pretraining {s}")).clusters


def test_published_ranges():
    assert ranges_for(["ALE/Pong-v5", "BreakoutNoFrameskip-v4", "atari/montezuma_revenge"], "atari")[0] == {
        "ALE/Pong-v5": (-20.7, 14.6),
        "BreakoutNoFrameskip-v4": (1.7, 30.5),
        "atari/montezuma_revenge": (0.0, 4753.3),
    }
    assert ranges_for(["procgen/coinrun-easy/7"], "procgen")[0] == {"procgen/coinrun-easy/7": (5.0, 10.0)}
    assert ranges_for(["bigfish"], "procgen:hard")[0] == {"bigfish": (0.0, 40.0)}
    with pytest.raises(TableError, match="in easy or in hard mode"):
        ranges_for(["bigfish"], "procgen")
    with pytest.raises(TableError, match=r"'ALE/Pung-v5' is no game.*did you mean pong"):
        ranges_for(["ALE/Pung-v5"], "atari")


def test_ranges_from_a_file(tmp_path):
    path = tmp_path / "ranges.csv"
    path.write_text("task;low;high\np;0;10\nq;-1,5;2\n".replace("-1,5", "-1.5"))
    assert ranges_for(["p", "q"], str(path))[0] == {"p": (0.0, 10.0), "q": (-1.5, 2.0)}
    with pytest.raises(TableError, match="no row for r"):
        ranges_for(["p", "r"], str(path))
    path.write_text("task,low,high\np,3,2\n")
    with pytest.raises(TableError, match=r"row 1 \(line 2 of the file\): expected numbers low < high for p"):
        ranges_for(["p"], str(path))
    with pytest.raises(TableError, match="expected atari, procgen or a file"):
        ranges_for(["p"], "atri")


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("method,seed,pong,mean", "column 'mean' is no task; leave it out"),
        ("method,seed,pong,wall_time", "column 'wall_time' is no task"),
        ("method,seed,pong, pong", "several columns are task 'pong'; keep one"),
        ("method,task,seed_1,run1", "several columns are seed '1'; keep one"),
    ],
)
def test_a_wide_table_with_columns_that_are_no_scores_or_twice(tmp_path, head, why):
    (tmp_path / "w.csv").write_text(f"{head}\na,0,1,2\nb,0,3,4\n")
    with pytest.raises(TableError, match=why):
        read(tmp_path / "w.csv")


@pytest.mark.parametrize("missing", ["NA", "-", "None"])
def test_a_missing_cell_of_a_wide_table_is_named(tmp_path, missing):
    (tmp_path / "w.csv").write_text(f"method,seed,pong,qbert\na,0,{missing},1\na,1,2,3\nb,0,4,5\n")
    with pytest.raises(TableError, match=rf"row 1 \(line 2 of the file\): '{missing}' is not a number"):
        read(tmp_path / "w.csv")


def test_a_date_is_no_score(tmp_path):
    (tmp_path / "w.csv").write_text("method,seed,day,pong,qbert\na,0,2026-01-02,1,2\na,1,2026-01-03,3,4\n")
    with pytest.raises(TableError, match="column 'day' is neither a known column nor numbers"):
        read(tmp_path / "w.csv")


@pytest.mark.parametrize("role", ["env_step", "checkpoint", "fold"])
def test_a_column_that_one_of_two_files_lacks(tmp_path, role):
    (tmp_path / "a.csv").write_text("method,seed,task,score\na,0,t,1\na,1,t,2\n")
    (tmp_path / "b.csv").write_text(f"method,seed,task,{role},score\nb,0,t,7,1\nb,1,t,7,2\n")
    with pytest.raises(TableError, match=rf"b.csv has a column {role} and .*a.csv has none: add it there"):
        read([tmp_path / "a.csv", tmp_path / "b.csv"])


def test_of_several_files_a_refusal_names_the_one(tmp_path):
    for seed, score in (("1", "2"), ("2", "high")):
        (tmp_path / seed).mkdir()
        (tmp_path / seed / "x.csv").write_text(f"method,seed,task,score\na,{seed},t,{score}\n")
    with pytest.raises(TableError, match=r"row 1 \(line 2 of .*2/x.csv\): 'high' is not a number"):
        read([tmp_path / "1" / "x.csv", tmp_path / "2" / "x.csv"])


def test_rows_that_may_be_the_same_again_are_refused_or_said(tmp_path):
    text = "method,seed,task,score\n" + "".join(f"a,{s},t,{s}.5\n" for s in range(3))
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(text)
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    with pytest.raises(TableError, match=r"a.csv is given twice"):
        read([tmp_path / "a.csv", tmp_path / "link.csv"])
    assert "each row comes more than once" in " ".join(read([tmp_path / "a.csv", tmp_path / "b.csv"]).said)
    (tmp_path / "b.csv").write_text(text.replace(".5", ".25") + "a,9,t,1\n")
    said = " ".join(read([tmp_path / "a.csv", tmp_path / "b.csv"]).said)
    assert "rows of one run stand in several files" in said
    assert "method a, seed 0, task t in" in said
    assert "(3 such)" in said
    assert read(tmp_path / "a.csv").said == ()


@pytest.mark.parametrize(
    ("role", "value", "found"),
    [
        ("seed", "1.0", 1),
        ("env_step", "1e6", 1_000_000),
        ("task", " pong ", "pong"),
        ("score", "1e3", 1000.0),
    ],
)
def test_one_value_for_all_rows_is_read_as_a_columns_are(role, value, found):
    table = frame([("a", 0, "t", 1.0), ("a", 1, "t", 2.0)], "method", "seed", "task", "score")
    reading = read(table.drop(role, strict=False), Request(constants={role: value}))
    assert set(reading.episodes[role]) == {found}


@pytest.mark.parametrize(
    ("role", "value"), [("method", ""), ("task", "\u200b"), ("seed", "-1"), ("score", "1e80")]
)
def test_one_value_that_is_none(role, value):
    table = frame([("a", 0, "t", 1.0)], "method", "seed", "task", "score").drop(role)
    with pytest.raises(TableError, match=f"--set {role}={value}: expected a"):
        read(table, Request(constants={role: value}))


def test_a_number_that_is_missing_is_no_name():
    """Pandas turns whole numbers beside a missing one into floats."""
    table = frame([("a", s, float(s), 1.0) for s in range(3)], "method", "seed", "task", "score")
    holed = table.with_columns(task=pl.when(pl.col("seed") == 1).then(float("nan")).otherwise("task"))
    with pytest.raises(TableError, match=r"column task, row 1 \(counted from 0\): is empty"):
        read(holed)
    with pytest.raises(TableError, match=r"column method, row 0 .* is not a text"):
        read(table.with_columns(method=pl.concat_list("method", "method")))


@pytest.mark.parametrize("bin", [2**62, 10**30, 0, 1.5])
def test_bins_that_cannot_be(bin):
    with pytest.raises(TableError, match=rf"--bin {bin}: expected a number of env steps"):
        read(frame(STEPS, *NAMES), Request(bin=bin))


def test_a_bin_that_ends_beyond_all_numbers():
    steps = [("a", s, "t", 2**62 - 5, 1.0) for s in range(2)]
    with pytest.raises(TableError, match="--bin 100: env steps reach 4,611,686,018,427,387,899, expected"):
        read(frame(steps, *NAMES), Request(bin=100))


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"at": 1.5}, "--at 1.5: expected an env step"),
        ({"at": "3"}, "--at 3: expected an env step"),
        ({"columns": "score"}, "columns='score': expected names by role"),
        ({"score_range": ("0", "1")}, "expected two finite numbers"),
        ({"score_range": (0, 1, 2)}, "expected two finite numbers"),
    ],
)
def test_values_of_other_kinds_are_refused(asked, why):
    with pytest.raises(TableError, match=why):
        Request(**asked)
    assert Request(constants={"seed": 3}).constants == {"seed": "3"}


def test_ranges_with_a_decimal_comma_and_columns_that_come_twice(tmp_path):
    path = tmp_path / "ranges.csv"
    path.write_text("task;low;high\np;-0,25;1,500\n")
    assert ranges_for(["p"], str(path))[0] == {"p": (-0.25, 1.5)}
    for text, why in (
        ("task\tlow\thigh\np\t0\t1,500\n", "1,500 may be 1.500 or 1500"),
        ("task,low,low,high\np,0,1,2\n", "it has several columns low"),
        ("task,low,high\np,-inf,2\n", "expected numbers low < high for p"),
    ):
        path.write_text(text)
        with pytest.raises(TableError, match=why):
            ranges_for(["p"], str(path))
    path.write_text("task,low,high\ncafe\u0301,0,2\n")
    assert ranges_for(["caf\u00e9"], str(path))[0] == {"caf\u00e9": (0.0, 2.0)}
