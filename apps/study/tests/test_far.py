"""What agents are asked about FAR: the rows, what they come to, and what a study of it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import polars as pl
import pytest
from fvm_eval.analysis.study_analysis import analyse
from fvm_eval.curves import area_under_curve, run_curves
from fvm_eval.report.method_styles import method_styles
from fvm_eval.statistics import contrast
from study.arm_names import first
from study.claims.arms import AREA_BY_ORDER, FAR_DROP
from study.claims.retention import TEACHER, UNVISITED
from study.command_line.arguments import Arguments
from study.config import Far, Phase, StudyConfig
from study.errors import StudyError
from study.folder.store import Store
from study.measures.far import not_in_them
from study.plan import Plan, make_plan
from study.presets.apple import INTERFERING, LEARNER, Options, chosen
from study.presets.toy import QUICK
from study.resolve import check, resolve
from study.results.collect import Results, collect

AGENTS = 2  # side by side
EPISODES = 40  # of 100 steps: a fiftieth of the benchmark's
BUDGET = EPISODES * 100 * AGENTS


def little() -> StudyConfig:
    """Returns a study of the walk there and back that takes seconds."""
    world = chosen(INTERFERING, Options(m=5, c=0.25, order="both"))
    learner = replace(LEARNER, agents=AGENTS)
    config = replace(
        INTERFERING,
        **world,
        seeds=2,
        methods=("scratch", "multitask:none", "multitask", "multitask:gradient+bc"),
        pretrain=Phase(env_steps=6_000 * AGENTS, num_envs=AGENTS, learner=learner),
        adapt=Phase(env_steps=BUDGET, num_envs=AGENTS, learner=learner),
        evaluation=replace(INTERFERING.evaluation, snapshots=4, episodes=4, training_episodes=4),
    )
    assert config.far is not None
    return replace(config, far=replace(config.far, window_env_steps=BUDGET // 2, episodes=6))


@pytest.fixture(scope="module")
def found(
    run_plan: Callable[[Plan, Store], list[object]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Results, Plan, Store]:
    config, store = little(), Store(tmp_path_factory.mktemp("apple"))
    plan = make_plan(config)
    run_plan(plan, store)
    return collect(config, plan, store, "again"), plan, store


def test_what_is_lost_is_the_teacher_s_score_minus_the_window_s_mean(
    found: tuple[Results, Plan, Store],
) -> None:
    results, _, store = found
    rows = pl.read_parquet(store.root / "far.parquet")
    run = {"method": "multitask", "seed": 1, "task": "apple/out-and-back/5"}
    mine = rows.filter(**run)
    teacher = mine.filter(policy="teacher")["score"].to_numpy().mean()
    agent = mine.filter((pl.col("policy") == "agent") & pl.col("env_step").is_in([BUDGET // 4, BUDGET // 2]))[
        "score"
    ]
    (lost,) = results.study.cells[FAR_DROP].filter(**run)["value"]
    assert lost == pytest.approx(teacher - agent.to_numpy().mean())
    assert set(rows["begun"]) == {"apple/back/5"}
    assert set(results.study.cells[FAR_DROP]["task"]) == {
        "apple/out-and-back/5"
    }  # what comes first is no FAR


def test_areas_have_an_arm_for_what_comes_first(found: tuple[Results, Plan, Store]) -> None:
    cells = found[0].study.cells[AREA_BY_ORDER]
    assert {first("multitask", "CLOSE"), first("multitask:gradient+bc", "FAR")} <= set(cells["method"])
    areas = area_under_curve(run_curves(found[0].study.episodes), BUDGET)
    close = areas.filter(method="multitask", task="apple/out-and-back/5")["value"].to_list()
    assert cells.filter(method=first("multitask", "CLOSE"))["value"].to_list() == close


def test_the_control_is_compared_with_what_comes_first(found: tuple[Results, Plan, Store]) -> None:
    """Two tasks of two orders are a pair: BC's gain in the one minus that in the other, by pretraining."""
    study = found[0].study
    (claim,) = (claim for claim in study.claims if claim.id == "C11 bc")
    adapts, mediation = claim.components[2:]
    areas = area_under_curve(run_curves(study.episodes), BUDGET)
    mean = {
        (method, task.split("/")[1]): value
        for method, task, value in areas.group_by("method", "task").agg(pl.col("value").mean()).iter_rows()
    }
    bc = "multitask:gradient+bc"
    gain = {order: mean[bc, order] - mean["multitask", order] for order in ("out-and-back", "back-and-out")}
    arms = study.cells[AREA_BY_ORDER].partition_by("method", as_dict=True)
    cells = {method: rows for (method,), rows in arms.items()}
    assert contrast(cells, adapts.weights).mean == pytest.approx(gain["out-and-back"])
    both = contrast(cells, mediation.weights)
    assert both.mean == pytest.approx(gain["out-and-back"] - gain["back-and-out"])
    assert {part.summary for part in (adapts, mediation)} == {AREA_BY_ORDER}


def test_conditions_and_figures_reach_the_report(found: tuple[Results, Plan, Store]) -> None:
    study = found[0].study
    names = {condition.name: condition for condition in study.preconditions}
    assert names[TEACHER].holds is not None
    # A way of five cells is walked within the window: then what is lost there is not forgetting.
    assert names[UNVISITED].holds is False
    assert [panel.name for panel in study.panels] == ["far", "prices"]
    assert {claim.id for claim in study.claims} >= {"A1", "A2", "A3", "C11 bc"}


def test_limits_of_what_is_still_known_are_possible_scores(found: tuple[Results, Plan, Store]) -> None:
    """Two pretrainings: t limits of shares would lie beyond 0 and 1."""
    panel = found[0].study.panels[0]
    assert isinstance(panel.draw, partial)
    old = panel.draw.keywords["old"].drop_nulls("low")
    assert len(old)
    assert old["low"].to_numpy().min() >= 0
    assert old["high"].to_numpy().max() <= 1


def test_each_order_has_a_panel_of_its_own(found: tuple[Results, Plan, Store]) -> None:
    """With both orders a mean over them is neither: what BC does in the one it does not do in the other."""
    study = found[0].study
    analysis = analyse(study)
    panel = study.panels[0]
    drawn = {axes.get_title(): axes for axes in panel.draw(analysis, False).axes}
    orders = [f"New task, {order} first" for order in ("CLOSE", "FAR")]
    assert list(drawn) == [*orders, "Old states (FAR)"]
    tasks = dict(zip(orders, ("apple/out-and-back/5", "apple/back-and-out/5"), strict=True))
    bc = method_styles(study)["multitask:gradient+bc"]
    for title, task in tasks.items():
        runs = analysis.runs.filter(method="multitask:gradient+bc", task=task)
        means = runs.group_by("env_step").agg(pl.col("value").mean()).sort("env_step")["value"]
        lines = [
            line
            for line in drawn[title].lines
            if (line.get_color(), line.get_linestyle()) == (bc.colour, bc.linestyle)
            and len(line.get_xdata()) > 2
        ]
        assert any(list(line.get_ydata()) == pytest.approx(means.to_list()) for line in lines)
    assert "a panel for each order: CLOSE first and FAR first" in panel.caption


def test_the_picture_says_what_its_lines_are(found: tuple[Results, Plan, Store]) -> None:
    """A picture is read without its page: dashes, shade, seeds and budget are named in it."""
    study = found[0].study
    for narrow in (False, True):
        figure = study.panels[0].draw(analyse(study), narrow)
        named = [text.get_text() for text in figure.legends[0].get_texts()]
        assert named[-2:] == ["Pretrained agents,\nnot adapted", "Lost on FAR: mean\nover this stretch"]
        seeds = study.episodes["seed"].n_unique()
        below = figure.get_supxlabel().replace("\n", "; ")
        assert below == f"Env steps of adaptation, budget {BUDGET:,}; means over {seeds} seeds"


def test_how_far_it_goes_is_measured_in_plain_fine_tuning_too(found: tuple[Results, Plan, Store]) -> None:
    _, plan, store = found
    plain = [job for job in plan.jobs if job.kind == "adapt" and job.method == "multitask"]
    assert {"drift/kl", "far/visited"} <= set(store.table(plain, "metrics")["metric"])
    assert "drift" in plain[0].spec["retain"]
    kept = [job for job in plan.jobs if job.kind == "adapt" and job.method == "multitask:gradient+bc"]
    assert {"bc/grad_ratio", "drift/kl"} <= set(store.table(kept, "metrics")["metric"])
    assert {store.note(job, "costs")["env_steps"] for job in (*plain, *kept)} == {BUDGET}


def test_without_a_question_jobs_are_those_of_before() -> None:
    asked = Far(episodes=2, max_steps=5, window_env_steps=4_096)
    before, after = (make_plan(replace(QUICK, far=far)) for far in (None, asked))
    pretrainings = [{job.key for job in plan.jobs if job.kind == "pretrain"} for plan in (before, after)]
    assert pretrainings[0] == pretrainings[1]
    adapt = next(job for job in after.jobs if job.kind == "adapt" and job.parent)
    assert adapt.parent is not None
    assert adapt.spec["measures"]["far"]["tasks"] == adapt.parent.spec["tasks"][:8]  # the training levels


def test_a_window_without_a_snapshot_is_refused() -> None:
    with pytest.raises(ValueError, match="no snapshot falls into the first 10 env steps"):
        replace(little(), far=Far(episodes=1, max_steps=1, window_env_steps=10))
    with pytest.raises(ValueError, match="a task meets CLOSE or FAR first"):
        Far(episodes=1, max_steps=1, window_env_steps=1, order={"a": "near"})


def test_named_arms_change_the_learner_s_settings_alone() -> None:
    methods = ("multitask", "multitask:gradient+low-rate+entropy-off", "multitask:gradient+head-reset")
    plan = make_plan(replace(QUICK, methods=methods))
    learners = {job.method: job.spec["phase"]["learner"]["ppo"] for job in plan.jobs if job.kind == "adapt"}
    plain, changed, reset = (learners[method] for method in methods)
    assert changed == {
        **plain,
        "learning_rate": pytest.approx(0.1 * plain["learning_rate"]),
        "entropy_coef": 0.0,
    }
    assert reset == plain
    retained = next(j.spec["retain"] for j in plan.jobs if j.kind == "adapt" and j.method == methods[1])
    assert list(retained) == ["drift"]
    with pytest.raises(StudyError, match="asks for entropy"):
        check(replace(little(), methods=("multitask:gradient+entropy-off",)))


def test_any_study_can_ask_about_its_training_tasks() -> None:
    for benchmark in ("procgen", "atari", "toy", "rlbench"):
        config = resolve(Arguments(benchmark=benchmark, preset="quick", far=True), "quick")
        assert config.far is not None
        assert (config.far.tasks, config.far.env_options) == ((), {})
        assert config.far.window_env_steps in config.adapt.at(config.evaluation.snapshots)
        assert config.far.window_env_steps <= config.adapt.env_steps / 4 or config.evaluation.snapshots < 8
        plain = resolve(Arguments(benchmark=benchmark, preset="quick"), "quick")
        assert plain.far is None
        assert not_in_them(config)
    own = resolve(Arguments(benchmark="two-stage", far=True), "quick")  # which says where to ask
    assert own == resolve(Arguments(benchmark="two-stage"), "quick")


@pytest.mark.parametrize(
    ("arguments", "usual", "env_steps", "window"),
    [
        (Arguments(benchmark="procgen", set=("deep=40",)), 8_192, 8_192, 2_048),
        (Arguments(benchmark="procgen", far=True), 8_192, 16_384, 4_096),
        (Arguments(benchmark="apple", preset="interfering"), 400_000, 320_000, 80_000),
        (Arguments(benchmark="two-stage"), 24_576, 49_152, 12_288),
    ],
)
def test_the_window_is_the_first_quarter_of_whatever_budget(
    arguments: Arguments, usual: int, env_steps: int, window: int
) -> None:
    shorter = replace(arguments, adapt_env_steps=env_steps)
    found = [resolve(one, "quick").far for one in (arguments, shorter)]
    assert [far.window_env_steps for far in found if far is not None] == [usual, window]


def test_procgen_asks_deep_in_training_levels() -> None:
    config = resolve(Arguments(benchmark="procgen", set=("deep=40",)), "quick")
    assert config.far is not None
    assert config.far.env_options == {"start_states": {"steps": 40, "player": "right"}}
    assert not_in_them(config)
    (adapt, *_) = (job for job in make_plan(config).jobs if job.kind == "adapt" and job.parent is not None)
    settings = adapt.spec["measures"]["far"]
    assert settings["tasks"] == adapt.parent.spec["tasks"][:8]
    other = resolve(Arguments(benchmark="procgen", set=("deep=40", "game=ninja")), "quick")
    assert other.far is not None
    assert other.far.env_options["start_states"]["player"] == "moves"
    with pytest.raises(StudyError, match="start_states' steps is -1"):
        resolve(Arguments(benchmark="procgen", set=("deep=-1",)), "quick")
