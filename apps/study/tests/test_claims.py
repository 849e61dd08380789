from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from fvm_eval.analysis.study_results import AREA, LOG_SECONDS, NEW_LEVELS, VALUE, ZERO_SHOT
from fvm_eval.claims import Precondition, decide
from study.arm_names import moment, on_task, with_latent
from study.claims import claims_of
from study.claims.arms import BY_LATENT, BY_MOMENT, BY_TASK, CONTROL, TRIALS, learned, seen, spoken
from study.claims.cost import ONE_DEVICE
from study.errors import StudyError
from study.folder.tables import write_tables
from study.measures.control import check_control, control_cells, control_findings
from study.measures.moments import TABLE as MOMENTS_TABLE
from study.measures.moments import by_moment
from study.measures.seconds import from_scratch, one_device, seconds_to_score
from study.measures.tasks import by_task
from study.measures.trials import TABLE as TRIALS_TABLE
from study.measures.trials import by_trial
from study.presets import atari, procgen, toy

SEEDS, TASKS = 8, ("a", "b", "c")
SPREAD = [-0.02, 0.01, 0.02, -0.01, 0.0, 0.015, -0.015, 0.0]


def cells(
    means: dict[str, float], tasks: Sequence[str] = TASKS, shared: str | None = None
) -> dict[str, pl.DataFrame]:
    """Cells of arms whose checkpoints lie around their mean; `shared` gives all arms the same checkpoints."""
    arms = {}
    for arm, mean in means.items():
        # each checkpoint's luck, and a little of each task's own
        rows = [
            (
                0,
                f"{shared or arm}/{seed}",
                task,
                mean + SPREAD[(seed + len(arm)) % SEEDS] + 0.004 * ((ord(arm[-1]) % 7 * seed + i) % 5),
            )
            for seed in range(SEEDS)
            for i, task in enumerate(tasks)
        ]
        arms[arm] = pl.DataFrame(rows, schema=["fold", "checkpoint", "task", "value"], orient="row")
    return arms


def met(*names: str) -> dict[str, Precondition]:
    return {learned(name): Precondition(learned(name), True, "") for name in names}


PROCGEN = replace(
    procgen.SMALL,
    methods=("scratch", "multitask", "reptile", "rl2", "rl2-reset"),
    evaluation=replace(procgen.SMALL.evaluation, new_lifetimes=0),
)


def claim(name: str, config=PROCGEN):  # type: ignore[no-untyped-def]
    (found,) = [claim for claim in claims_of(config) if claim.id == name]
    return found


def test_c1_is_supported_only_if_scratch_is_beaten_too() -> None:
    good = {"multitask": 0.6, "reptile": 0.5, "rl2": 0.4, "scratch": 0.2}
    tables = {VALUE: cells(good), AREA: cells(good)}
    learnt = met("multitask", "reptile", "rl2")
    assert decide(claim("C1"), tables, learnt).label == "supported"
    assert "the rival did not learn" in decide(claim("C1"), tables, met("multitask", "rl2")).reason
    same = {**good, "scratch": 0.59}
    tables = {VALUE: cells(same), AREA: cells(same)}
    verdict = decide(claim("C1"), tables, learnt)
    assert verdict.label == "undecided"
    assert "assay" in verdict.reason
    worse = {**good, "rl2": 0.9}
    assert decide(claim("C1"), {VALUE: cells(worse), AREA: cells(good)}, learnt).label == "contradicted"


def test_c2_and_c3_need_several_sizes_and_test_each_step() -> None:
    one = {VALUE: cells({"multitask": 0.5, "scratch": 0.1}), NEW_LEVELS: cells({"multitask": 0.4})}
    for name in ("C2", "C3"):
        assert "not run: multitask at another number of levels" in decide(claim(name), one, {}).reason
    config = replace(PROCGEN, train_sizes=(100, 1000, 10_000))
    names = [f"multitask@{size}" for size in config.train_sizes]
    rivals = [f"reptile@{size}" for size in config.train_sizes]
    learnt = met(*names, *rivals) | {seen(name): Precondition(seen(name), True, "") for name in names}
    flat = dict.fromkeys(rivals, 0.2)
    new = cells({**dict(zip(names, (0.2, 0.3, 0.4), strict=True)), **flat})
    verdict = decide(claim("C2", config), {NEW_LEVELS: new}, learnt)
    assert verdict.label == "supported"
    assert [part.interval.mean for part in verdict.components] == pytest.approx([0.1] * 4, abs=0.02)
    # A rise and a fall: the slope through all three rises.
    humped = cells({**dict(zip(names, (0.2, 0.6, 0.4), strict=True)), **flat})
    assert decide(claim("C2", config), {NEW_LEVELS: humped}, learnt).label == "contradicted"
    unseen = learnt | {seen(names[-1]): Precondition(seen(names[-1]), False, "488 of 10,000")}
    assert "not shown (488 of 10,000)" in decide(claim("C2", config), {NEW_LEVELS: new}, unseen).words
    value = cells({**dict(zip(names, (0.5, 0.4, 0.3), strict=True)), "scratch": 0.1})
    assert decide(claim("C3", config), {VALUE: value}, learnt).label == "contradicted"


def test_c4_is_open_without_the_control_family_and_contradicted_by_a_gain() -> None:
    flat = cells({"rl2 trial 1": 0.5, "rl2 trial 4": 0.5}, shared="rl2")
    flat |= cells({"rl2-reset trial 4": 0.5})
    control = cells({"rl2 trial 1": 0.2, "rl2 trial 4": 0.6}, shared="rl2")
    assert decide(claim("C4"), {TRIALS: flat, CONTROL: control}, met("rl2", "rl2-reset")).label == "supported"
    verdict = decide(claim("C4"), {TRIALS: flat}, met("rl2", "rl2-reset"))
    assert (verdict.label, "assay" in verdict.reason) == ("undecided", True)
    gains = cells({"rl2 trial 1": 0.3, "rl2 trial 4": 0.6}, shared="rl2") | cells({"rl2-reset trial 4": 0.3})
    assert decide(claim("C4"), {TRIALS: gains, CONTROL: control}, met("rl2")).label == "contradicted"


def test_c10_compares_logarithms_of_device_seconds() -> None:
    took = cells(
        {"multitask": math.log(100), "reptile": math.log(130), "rl2": math.log(200)}, ("pretraining",)
    )
    alone, mixed = (one_device(devices) for devices in ({"A"}, {"A", "B"}))
    part = decide(claim("C10"), {LOG_SECONDS: took}, {ONE_DEVICE: alone}).components[0]
    assert math.exp(part.interval.mean) == pytest.approx(1.3, rel=0.05)
    assert part.passed
    verdict = decide(claim("C10"), {LOG_SECONDS: took}, {ONE_DEVICE: mixed})
    assert verdict.label == "undecided"
    assert "A, B" in verdict.words


def test_the_toys_claims_are_mirrored_between_the_families() -> None:
    curves = cells({"reptile-authors": 0.6, "reptile-printed": 0.3, "multitask": 0.9, "scratch": 0.3})
    tables = {AREA: curves, VALUE: curves}
    visible, hidden = toy.SCHEDULES, replace(toy.SCHEDULES, family="toy/hidden-catch")
    for name in ("T1", "T2"):
        learnt = met("multitask", "reptile-authors", "reptile-printed")
        assert decide(claim(name, visible), tables, learnt).label == "supported"
        assert decide(claim(name, hidden), tables, learnt).label == "contradicted"
    verdict = decide(claim("T1", visible), tables, met("multitask", "reptile-authors"))
    assert verdict.label == "undecided"
    assert verdict.reason.startswith("the rival did not learn (Reptile .1 → 0 beats random play")
    assert decide(claim("T1", visible), tables, met("reptile-printed")).label == "undecided"
    assert [c.id for c in claims_of(hidden)] == ["T1", "T2", "T3"]


def test_a_control_that_learned_nothing_shows_nothing_by_standing_still() -> None:
    hidden = replace(toy.SCHEDULES, family="toy/hidden-catch")
    flat = cells({"rl2-reset trial 1": 0.5, "rl2-reset trial 4": 0.5}, shared="rl2-reset")
    trials = {TRIALS: flat | cells({"rl2 trial 1": 0.3, "rl2 trial 4": 0.7}, shared="rl2")}
    assert decide(claim("T3", hidden), trials, met("rl2", "rl2-reset")).label == "supported"
    verdict = decide(claim("T3", hidden), trials, met("rl2"))
    assert [part.doubt for part in verdict.components] == ["", "not learned"]
    assert verdict.label == "undecided"


GAMES = ("pong", "assault", "battle_zone", "ms_pacman", "beam_rider")


def by_game(method: str, scores: dict[str, float]) -> dict[str, pl.DataFrame]:
    return {
        on_task(method, f"atari/{game}"): cells({method: scores[game]}, (f"atari/{game}",))[method]
        for game in GAMES
    }


def test_c8_needs_every_game_and_one_lost_contradicts_it() -> None:
    c8 = claim("C8 multitask", atari.SMALL)
    scratch = by_game("scratch", dict.fromkeys(GAMES, 0.1))
    learnt = {learned("multitask", "game"): Precondition("", True, "")}
    everywhere = by_game("multitask", dict.fromkeys(GAMES, 0.3))
    assert decide(c8, {BY_TASK: scratch | everywhere}, learnt).label == "supported"
    but_one = by_game("multitask", {**dict.fromkeys(GAMES, 0.3), "pong": 0.1})
    assert decide(c8, {BY_TASK: scratch | but_one}, learnt).label == "undecided"
    worse = by_game("multitask", {**dict.fromkeys(GAMES, 0.3), "pong": -0.1})
    assert decide(c8, {BY_TASK: scratch | worse}, learnt).label == "contradicted"


def pearl_tables(gain: float, latents: tuple[float, float, float]) -> dict[str, dict[str, pl.DataFrame]]:
    """Where PEARL starts at .1 and gains so much, and plays so well with its own, another's and no z."""
    start, inferred, other, zero = 0.1, *latents
    moments = {moment("pearl", "0"): start, moment("pearl", "the budget"): start + gain}
    played = {"inferred": inferred, "another task's": other, "zero": zero}
    return {
        BY_MOMENT: cells(moments, shared="pearl"),
        BY_LATENT: cells({with_latent("pearl", name): score for name, score in played.items()}, shared="p"),
        CONTROL: cells({moment("pearl", "0"): 0.3, moment("pearl", "the budget"): 0.6}, shared="control"),
        ZERO_SHOT: cells({"pearl": start, "multitask": start, "reptile": start, "scratch": 0.0}),
        VALUE: cells({"pearl": start + gain, "multitask:none": start, "scratch": 0.0}),
    }


def test_c9_holds_where_pearl_stands_still_and_would_not_elsewhere() -> None:
    config = replace(atari.SMALL, margin=0.1)  # the made-up cells spread more than games of .02 could
    c9, names = claim("C9", config), (learned("pearl", "game"), spoken("pearl", "game"))
    rivals = [learned(name, "game") for name in ("multitask", "reptile")]
    learnt = {name: Precondition("", True, "") for name in (*names, *rivals)}
    still = pearl_tables(0.0, (0.1, 0.0, 0.0))  # though another task's z does hurt
    assert decide(c9, still, learnt).label == "supported"
    assert decide(c9, pearl_tables(0.4, (0.5, 0.1, 0.1)), learnt).label == "contradicted"
    no_control = decide(c9, {**still, CONTROL: {}}, learnt)
    assert (no_control.label, "assay" in no_control.reason) == ("undecided", True)
    collapsed = decide(c9, still, {**learnt, names[1]: Precondition("", False, "least .01 nats")})
    assert collapsed.label not in ("supported", "contradicted")
    c9z = claim("C9z", config)
    assert decide(c9z, still, learnt).label == "supported"
    assert decide(c9z, pearl_tables(0.0, (0.1, 0.1, 0.1)), learnt).label == "undecided"


def test_pearl_on_toys_must_gain_by_what_it_infers_and_only_where_the_task_is_hidden() -> None:
    hidden, learnt = replace(toy.PEARL, family="toy/hidden-catch"), met("pearl", "multitask")
    (t4,) = claims_of(hidden)
    assert decide(t4, pearl_tables(0.4, (0.5, 0.1, 0.1)), learnt).label == "supported"
    # it gains, but not by its z
    assert decide(t4, pearl_tables(0.4, (0.5, 0.5, 0.5)), learnt).label == "contradicted"
    (t5,) = claims_of(toy.PEARL)
    no_gain, gain = (pearl_tables(more, (0.1, 0.1, 0.1)) for more in (0.0, 0.5))
    seen = cells({"multitask:none": 0.8, "scratch": 0.0})
    assert decide(t5, {**no_gain, ZERO_SHOT: seen}, learnt).label == "supported"
    assert decide(t5, {**gain, ZERO_SHOT: seen}, learnt).label == "contradicted"


def test_cells_by_task_and_moment_are_means_at_the_ends_of_curves(tmp_path: Path) -> None:
    rows = [
        ("pearl", 0, 0, "pearl/0", task, step, episode, score)
        for task, ends in (("a", (0.0, 0.6)), ("b", (0.2, 0.4)))
        for step, score in zip((0, 100), ends, strict=True)
        for episode in (0, 1)
    ]
    names = ["method", "fold", "seed", "checkpoint", "task", "env_step", "episode", "score"]
    episodes = pl.DataFrame(rows, schema=names, orient="row")
    tasks = by_task(episodes, 100)
    assert dict(tasks.select("method", "value").iter_rows()) == {"pearl on a": 0.6, "pearl on b": 0.4}
    moments = by_moment(episodes, 100).filter(pl.col("task") == "a")
    assert dict(moments.select("method", "value").iter_rows()) == {
        "pearl at 0": 0.0,
        "pearl at the budget": 0.6,
    }
    write_tables(tmp_path, {MOMENTS_TABLE: moments})
    assert set(control_cells(tmp_path)["method"]) == {"pearl at 0", "pearl at the budget"}


def test_cells_by_trial_are_means_over_lifetimes_on_the_normalised_scale(tmp_path: Path) -> None:
    rows = [
        ("rl2", 0, 0, "rl2/0", "toy/hidden-catch/1", lifetime, trial, float(trial == 2 and lifetime > 0))
        for lifetime in range(4)
        for trial in (1, 2)
    ]
    names = ["method", "fold", "seed", "checkpoint", "task", "lifetime", "trial", "score"]
    table = pl.DataFrame(rows, schema=names, orient="row")
    found = by_trial(table, {"toy/hidden-catch/1": (0.0, 2.0)})
    assert dict(found.select("method", "value").iter_rows()) == {"rl2 trial 1": 0.0, "rl2 trial 2": 0.375}
    with pytest.raises(StudyError, match=r"no finished study of a method that is known to gain"):
        control_cells(tmp_path)
    write_tables(tmp_path, {TRIALS_TABLE: table})
    assert set(control_cells(tmp_path)["method"]) == {"rl2 trial 1", "rl2 trial 2"}
    assert control_findings(tmp_path).cell_bounds == {CONTROL: (0.0, 1.0)}  # so that t does not decide
    write_tables(tmp_path, {TRIALS_TABLE: table.with_columns(score=pl.col("score") * 2)})
    assert control_findings(tmp_path).cell_bounds == {}
    write_tables(tmp_path, {TRIALS_TABLE: table})
    data = (tmp_path / TRIALS_TABLE).read_bytes()
    for damage, words in (
        (data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], "it does not match its SHA-256"),
        (b"", "it does not match its SHA-256"),
    ):
        (tmp_path / TRIALS_TABLE).write_bytes(damage)
        with pytest.raises(StudyError, match=words):
            control_cells(tmp_path)
    write_tables(tmp_path, {TRIALS_TABLE: table.drop("lifetime")})  # forged, with a right sum
    with pytest.raises(StudyError, match="it has no column lifetime"):
        control_cells(tmp_path)
    write_tables(tmp_path, {TRIALS_TABLE: table.with_columns(score=pl.lit("high"))})
    with pytest.raises(StudyError, match="its column score is String, not Float64"):
        control_cells(tmp_path)
    (tmp_path / "tables.json").unlink()
    with pytest.raises(StudyError, match=r"lists no sums.*run that study's own command again"):
        control_cells(tmp_path)


def test_seconds_to_score_need_scratch() -> None:
    names = ["method", "fold", "seed", "checkpoint", "task", "env_step", "episode", "score"]
    empty = pl.DataFrame([("multitask", 0, 0, "multitask/0", "a", 0, 0, 1.0)], schema=names, orient="row")
    assert seconds_to_score([], [], empty, 0, None, "scratch") is None  # type: ignore[arg-type]
    assert seconds_to_score([], [], empty, 0, None, None) is None  # type: ignore[arg-type]
    assert [name for name in ("scratch", "multitask", "rl2:both") if from_scratch(name)] == ["scratch"]


def test_a_control_without_the_method_is_refused_at_once(tmp_path: Path) -> None:
    arm = moment("pearl", "0")
    run = {"method": arm, "fold": 0, "seed": 0, "checkpoint": "pearl/0", "task": "toy/visible-catch/20"}
    write_tables(tmp_path, {MOMENTS_TABLE: pl.DataFrame([{**run, "value": 0.3}])})
    check_control(tmp_path, [atari.SMALL])
    check_control(tmp_path, [replace(atari.SMALL, methods=("scratch",))])
    with pytest.raises(StudyError, match=r"no results of rl2.*toy-schedules/hidden-catch"):
        check_control(tmp_path, [toy.SCHEDULES])
