import itertools
import re
from dataclasses import replace
from functools import partial

import polars as pl
import pytest
from fvm_eval.analysis import analyse
from fvm_eval.analysis.summaries import MAX_PAIRS, pair_groups, shown_pairs
from fvm_eval.report import render
from fvm_eval.report.captions import pictures
from fvm_eval.report.drawing import inline
from fvm_eval.report.families import family_label, sizes
from fvm_eval.report.figures.labels import apart, wrapped
from fvm_eval.report.figures.tasks import MAX_RUNS
from fvm_eval.report.method_styles import method_styles
from fvm_eval.report.scores import scores
from fvm_eval.statistics.intervals import mean_interval
from fvm_eval.table import TableError
from matplotlib.backends.backend_agg import FigureCanvasAgg


@pytest.fixture(scope="module")
def drawn(analysis):
    """Every figure's inline drawings by name."""
    return {p.name: inline(p.name, partial(p.draw, analysis), p.heading) for p in pictures(analysis)}


EVERYTHING = {
    "adaptation",
    "differences",
    "online",
    "by_trial",
    "zero_shot",
    "schedules",
    "by_task_100",
    "by_task_1000",
    "pretraining",
}


def names(study):
    return {picture.name for picture in pictures(analyse(study))}


def test_a_figure_is_there_only_with_its_data(design, drawn):
    assert set(drawn) == EVERYTHING
    small = {"families": 5, "sizes": (100, 1000), "tasks": 1, "seeds": 2}
    assert names(design(**small, trials=None, trained_trials={})) == EVERYTHING - {"by_trial"}
    assert names(design(**small, eps_schedules={})) == EVERYTHING - {"schedules"}
    assert names(design(**small, online=None, pretraining=None)) == EVERYTHING - {"online", "pretraining"}
    one = names(design(**small | {"sizes": (1000,)}))
    assert one == EVERYTHING - {"zero_shot", "by_task_100", "by_task_1000"} | {"by_task"}
    assert "schedules" not in names(design(**small | {"families": 3})), "one schedule shows no sensitivity"


def test_every_method_is_named_in_wide_and_narrow_drawings(study, drawn):
    families = {family_label(study, method) for method in study.methods}
    assert len(families) == 8
    for name in ("adaptation", "online", "differences", "by_task_100"):
        svgs = drawn[name].split("<svg ")[1:]
        assert len(svgs) == 2
        for svg in svgs:
            written = " ".join(re.findall(r">([^<>]+)</(?:text|tspan)>", svg))
            words = re.sub(r"\s+", " ", written.replace("&#39;", "'"))
            missing = {f for f in families if not all(word in words for word in f.split())}
            assert missing == set(), name


@pytest.mark.parametrize("narrow", [False, True])
def test_nothing_is_written_beyond_the_edges(analysis, narrow):
    for picture in pictures(analysis):
        figure = picture.draw(analysis, narrow)
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        box = figure.get_tightbbox(renderer)
        width, height = figure.get_size_inches()
        over = (-box.x0, -box.y0, box.x1 - width, box.y1 - height)
        assert max(over) < 0.03, f"{picture.name}: {over} inches beyond left, bottom, right, top"


def test_a_long_name_of_the_scores_fits_beside_two_small_panels(design):
    """On a phone the y axis of one row of panels is shorter than such a name in one line."""
    long = "Human-normalised score (random 0, human 1)"
    few = analyse(design(families=3, sizes=(1000,), tasks=2, seeds=2, best_scores=None, normalised_name=long))
    few = replace(few, scale=replace(few.scale, label=long))
    (picture,) = (p for p in pictures(few) if p.name == "by_task")
    figure = picture.draw(few, True)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    (name,) = (text for text in figure.texts if text.get_text().replace("\n", " ") == long)
    box = name.get_window_extent(renderer)
    assert 0 <= box.y0 < box.y1 <= figure.bbox.height
    panels = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    assert all(box.x1 < panel.x0 + 1 for panel in panels if panel.y1 > box.y0 and panel.y0 < box.y1)


@pytest.mark.parametrize("narrow", [False, True])
def test_a_legend_of_names_in_two_lines_ends_above_the_panels(design, narrow):
    study = design(families=7, sizes=(100,), tasks=2, seeds=1)
    long = {name: f"Multi-task with method {name} and fine-tuning" for name in study.methods}
    few = analyse(replace(study, labels=long, claims=[]))
    (picture,) = (p for p in pictures(few) if p.name == "by_task")
    figure = picture.draw(few, narrow)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    (legend,) = figure.legends
    titles = [text for text in figure.axes[0].texts if text.get_text().startswith("level")]
    assert len(titles) == 2
    lowest = min(text.get_window_extent(renderer).y0 for text in legend.get_texts())
    assert max(text.get_window_extent(renderer).y1 for text in titles) < lowest


def captions(study):
    return {picture.name: picture.caption for picture in pictures(analyse(study))}


def test_captions_say_what_is_drawn_and_nothing_else(design, synthetic):
    one = captions(synthetic(seeds=3, tasks=1))["differences"]
    assert "Thin" not in one, "one task tells nothing of new ones"
    assert "Shaded: the margin" in one
    two = captions(synthetic(seeds=3, tasks=2, comparisons=[]))["differences"]
    assert "Thin: 95 % on new tasks" in two
    assert "Shaded" not in two, "no margin was fixed"
    # Six methods were adapted and share a panel, four of them were pretrained.
    many = design(families=6, sizes=(100,), tasks=1, seeds=2)
    named = sorted(set(many.pretraining["method"]))[:4]
    four = many.pretraining.filter(pl.col("method").is_in(named))
    many = captions(replace(many, pretraining=four))
    assert "Bars at the end" in many["online"]
    assert "A panel for each method. Lines: means over those of 2 seeds" in many["online"]
    assert "Thin lines: single seeds" in many["pretraining"]


def test_thin_lines_are_told_of_where_a_group_has_them(design):
    """Single seeds are drawn where a group's methods times seeds are few, whatever other groups have."""
    study = design(families=4, sizes=(100,), tasks=1, seeds=5)
    few, *others = study.methods
    parted = replace(study, conditions={few: "alone"} | dict.fromkeys(others, "together"))
    found = [c for name, c in captions(parted).items() if name.startswith("by_task_")]
    assert [5 * len(group) <= MAX_RUNS for group in ([few], others)] == ["Thin lines" in c for c in found]
    assert ["Thin lines" in caption for caption in found] == [True, False]


def test_a_size_of_one_is_one_training_task(design):
    page = render(design(families=2, sizes=(1, 10), tasks=1, seeds=2))["report.html"].decode()
    assert "1 training task<" in page
    assert "1 training tasks" not in page
    assert "10 training tasks" in page


def test_a_family_has_one_look_and_schedules_share_a_colour(study):
    found = method_styles(study)
    assert found["multitask@100"] == found["multitask@1000"]
    schedules = [found[f"{name}@100"] for name in ("reptile-tuned", "reptile-authors", "reptile-printed")]
    assert len({look.colour for look in schedules}) == 1
    assert len({(look.dashes, look.marker) for look in schedules}) == 3
    others = [
        found["scratch"],
        found["multitask@100"],
        found["rl2@100"],
        found["rl2-reset@100"],
        schedules[0],
    ]
    assert len({look.colour for look in others}) == 5


def test_names_lose_their_size_where_it_is_written_beside_them(study, design):
    assert family_label(study, "multitask@100") == "Multi-task + fine-tuning"
    assert family_label(study, "scratch") == "Scratch"
    kept = design(families=2, sizes=(100,), tasks=1, seeds=1, labels={"multitask": "Multi-task (as printed)"})
    assert family_label(kept, "multitask") == "Multi-task (as printed)"
    named = design(families=2, sizes=(10, 20), tasks=1, seeds=1, claims=[], labels={"multitask": "MT"})
    assert family_label(named, "multitask@20") == "MT"
    assert sizes(named) == [10, 20]


def test_many_pairs_are_shown_against_scratch_and_multi_task_of_the_same_size(study, analysis):
    pairs = shown_pairs(study, analysis.differences)
    assert len(pairs) == 2 * (7 + 6) > MAX_PAIRS
    assert {study.family(right) for _, right in pairs} == {"scratch", "multitask"}
    groups = pair_groups(study, pairs)
    few, many = "100 training tasks", "1,000 training tasks"
    assert list(groups) == [("scratch", few), ("scratch", many), ("multitask", few), ("multitask", many)]
    assert ("rl2@100", "multitask@100") in groups["multitask", few]
    assert not any(left.split("@")[1] != right.split("@")[1] for left, right in groups["multitask", few])


def test_few_pairs_are_all_shown(synthetic, design):
    assert len(shown_pairs(*parts(synthetic(seeds=2, tasks=1)))) == 1
    assert len(shown_pairs(*parts(design(families=4, sizes=(100,), tasks=1, seeds=2)))) == 6


def parts(study):
    return study, analyse(study).differences


def test_regret_is_the_best_possible_minus_the_value(synthetic, small_scores):
    study = synthetic(episodes=small_scores, best_scores={"a": 10.0, "b": 4.0}, **RAW)
    regret = analyse(study).regret["multitask"]
    # checkpoint 0 scores 6 and 3, checkpoint 1 scores 8 and 4: regrets (4 + 1) / 2 and (2 + 0) / 2
    assert regret.mean == pytest.approx((2.5 + 1.0) / 2)
    assert regret.checkpoints == 2
    ranged = synthetic(
        episodes=small_scores,
        best_scores={"a": 10.0, "b": 4.0},
        **RAW | {"score_ranges": {"a": (0.0, 10.0), "b": (-4.0, 6.0)}},
    )
    found = analyse(ranged)
    # of the range: checkpoint 0 (4 + 1) / 20, checkpoint 1 (2 + 0) / 20
    assert found.regret["multitask"].mean == pytest.approx((0.25 + 0.1) / 2)
    assert found.best == {"a": pytest.approx(1.0), "b": pytest.approx(0.8)}
    assert "<b>1.75</b>" in scores(analyse(study))
    assert "Best possible" in scores(found)


NOTHING = dict.fromkeys(("budget", "baselines", "online", "pretraining"))
RAW = {**NOTHING, "score_ranges": None, "folds": {}}


@pytest.fixture
def small_scores():
    score = {("multitask", 0): (6.0, 3.0), ("multitask", 1): (8.0, 4.0)}
    score |= {("scratch", 0): (1.0, 2.0), ("scratch", 1): (3.0, 2.0)}
    rows = [
        (method, 0, seed, f"{method}/{seed}", task, step, 0, value)
        for (method, seed), values in score.items()
        for task, value in zip("ab", values, strict=True)
        for step in (0, 100)
    ]
    columns = ["method", "fold", "seed", "checkpoint", "task", "env_step", "episode", "score"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def test_return_by_trial_averages_lifetimes_then_tasks(design):
    rows = [
        (
            "rl2",
            0,
            seed,
            f"rl2/{seed}",
            task,
            lifetime,
            trial,
            seed + trial + (task == "b") * lifetime,
        )
        for seed in (0, 1)
        for task in ("a", "b")
        for lifetime in range(1 + (task == "b"))
        for trial in (1, 2)
    ]
    columns = ["method", "fold", "seed", "checkpoint", "task", "lifetime", "trial", "score"]
    table = pl.DataFrame(rows, schema=columns, orient="row").cast({"score": pl.Float64})
    episodes = design(families=4, sizes=(100,), tasks=2, seeds=2).episodes
    tasks = dict(zip(sorted(episodes["task"].unique()), "ab", strict=True))
    study = design(
        families=4,
        sizes=(100,),
        tasks=2,
        seeds=2,
        trials=table,
        trained_trials={"rl2": 1},
        episodes=episodes.with_columns(pl.col("task").replace_strict(tasks)),
        score_ranges=dict.fromkeys("ab", (0.0, 10.0)),
        best_scores=None,
        baselines=None,
        online=None,
    )
    found = analyse(study).trials
    # seed 0, trial 1: task a 1, task b the mean of 1 and 2; the other seed and trial are 1 more
    assert found["value"].to_list() == pytest.approx([0.175, 0.275])
    assert found["trial"].to_list() == [1, 2]


def test_zero_shot_comes_from_new_levels_or_else_from_the_start_of_the_curves(design, study, analysis):
    mine = study.cells["Zero-shot on new levels"].filter(pl.col("method") == "multitask@100")
    at = analysis.zero_shot.filter(pl.col("method") == "multitask@100").row(0, named=True)
    assert (at["size"], at["value"]) == (100, pytest.approx(mean_interval(mine).mean))
    without = analyse(design(families=3, sizes=(100, 1000), tasks=1, seeds=2, cells={}, claims=[]))
    starts = without.summaries[2].fixed
    found = dict(without.zero_shot.select("method", "value").iter_rows())
    assert found == {method: pytest.approx(interval.mean) for method, interval in starts.items()}


@pytest.mark.parametrize("heights", [[0, 0, 0, 5, 9.9, 10], [3], [10, 9.8, 9.9], [0.1, 5, 5, 5.2, 0.1]])
def test_labels_keep_their_order_and_do_not_touch(heights):
    sizes = [1 + 0.5 * (index % 2) for index in range(len(heights))]
    placed = apart(heights, sizes, 0, 10)
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    for below, above in itertools.pairwise(order):
        assert placed[above] - placed[below] >= (sizes[above] + sizes[below]) / 2 - 1e-9
    assert all(sizes[i] / 2 - 1e-9 <= placed[i] <= 10 - sizes[i] / 2 + 1e-9 for i in range(len(heights)))


def test_labels_with_room_stay_where_they_are():
    assert apart([2, 8, 5], [1, 1, 1], 0, 10) == [2, 8, 5]


def test_the_page_has_no_missing_numbers_and_the_same_bytes_in_any_order(design):
    kind = {"families": 5, "sizes": (100, 1000), "tasks": 1, "seeds": 2}
    kind |= {"online": None, "pretraining": None}  # their order is tested with the small study
    first, second = design(**kind), design(**kind)
    for name in ("trials", "baselines"):
        object.__setattr__(second, name, getattr(second, name).sample(fraction=1, shuffle=True, seed=3))
    shuffled = {name: table.sample(fraction=1, shuffle=True, seed=3) for name, table in second.cells.items()}
    object.__setattr__(second, "cells", shuffled)
    files, again = render(first), render(second)
    assert [name for name in files if files[name] != again[name]] == []
    page = files["report.html"].decode()
    text = re.sub(r"<[^>]+>", " ", page[page.index("<body") :])
    assert re.findall(r"\b(?:nan|NaN|None|null|inf|Interval|Series)\b", text) == []
    assert len(set(re.findall(r'\bid="([^"]+)"', page))) == len(re.findall(r'\bid="([^"]+)"', page))


def test_twenty_tasks_of_eight_methods_leave_room_for_three_sizes_in_3_mb(design):
    many = analyse(design(families=8, sizes=(1000,), tasks=20, seeds=2, online=None, pretraining=None))
    drawings = {p.name: len(inline(p.name, partial(p.draw, many), "")) for p in pictures(many)}
    assert 3 * drawings["by_task"] < 1_500_000
    assert 3 * sum(drawings.values()) < 2_500_000


def test_facts_that_do_not_fit_are_refused(design, study):
    small = {"families": 2, "sizes": (100,), "tasks": 1, "seeds": 1}
    with pytest.raises(TableError, match="trials lacks lifetime"):
        design(**small, trials=study.trials.drop("lifetime"))
    with pytest.raises(TableError, match="trials has a trial below 1"):
        design(**small, trials=study.trials.with_columns(trial=pl.lit(0)), trained_trials={})
    with pytest.raises(TableError, match=r"cells\['x'\] lacks value"):
        design(**small, cells={"x": study.cells["Log device seconds"].drop("value")})
    with pytest.raises(ValueError, match="computed from the episodes"):
        design(**small, cells={"Value at budget": study.cells["Log device seconds"]})
    with pytest.raises(ValueError, match="train_sizes names 'pearl'; the tables have"):
        design(**small, train_sizes={"pearl": 5})
    with pytest.raises(ValueError, match=r"train_sizes\['multitask'\]=0: expected 1 or more"):
        design(**small, train_sizes={"multitask": 0})
    with pytest.raises(ValueError, match="expected two numbers"):
        design(**small, eps_schedules={"multitask": (0.1, float("nan"))})
    with pytest.raises(ValueError, match="best_scores lacks procgen"):
        design(**small, best_scores={})
    with pytest.raises(ValueError, match="several claims are called C1"):
        design(**small, claims=[study.claims[0]] * 2)


def test_a_word_that_no_figure_has_room_for_is_cut_behind_its_signs():
    kept = "multitask:encoder+critic-warm-up+freeze beside"
    assert wrapped(kept, 18) == kept.replace(" ", "\n")
    sweep = "ppo_lr=0.001_net=256x256_clip=0.2_entropy=0.01_epochs=10"
    lines = ["ppo_lr=0.001_net=", "256x256_clip=0.2_", "entropy=0.01_", "epochs=10"]
    assert wrapped(f"minus {sweep}", 18).split("\n") == ["minus", *lines]
    assert wrapped("x" * 100, 30).split("\n") == ["x" * 30] * 3 + ["x" * 10]
