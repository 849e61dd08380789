"""The map's page on runs made up here: what gathers, recomputes, draws and audits them agree."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fvm_eval.claims import Precondition
from study.claims.arms import learned
from study.claims.toy_map import EXPLORES, MULTITASK, RL2, map_claims, rows
from study.claims.toy_map_cells import as_json, beside, cells_of, decided
from study.plan import training_folds
from study.presets.toy_map import MAP

PAGE = Path(__file__).parents[1] / "docs" / "results" / "toy-map"
GRID = {axis: values for axis, values in MAP.grid.items() if axis.startswith("adapt.")}
CHOSEN = {name: "rate 0.005" for name in MAP.methods if name not in ("rl2", "rl2-reset")}
HIDDEN = replace(MAP, grid=GRID, chosen=CHOSEN)
CONFIGS = {"hidden-catch": HIDDEN, "visible-catch": replace(HIDDEN, family="toy/visible-catch")}
STEPS = (0, 16, 48, 192, 3_072)
MEANS = {"rl2": 0.7, "rl2:both": 0.7, "rl2-reset": 0.2}

pytestmark = pytest.mark.e2e


def script(name: str):
    spec = importlib.util.spec_from_file_location(name, PAGE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def made_up() -> pl.DataFrame:
    rng, found = np.random.default_rng(0), []
    for marks, config in ((0, HIDDEN), (4, CONFIGS["visible-catch"])):
        for seed in range(100, 105):
            folds = training_folds(config, seed)["16"]
            for place, name in enumerate(config.methods):
                for row in rows(config, name):
                    cluster = row if name == "scratch" else name.partition(":")[0]
                    for task in folds.held_out:
                        for step in STEPS:
                            rate = MEANS.get(name, 0.05 + (0.1 + 0.1 * place) * (step > 192))
                            won = rng.binomial(80, min(rate + rng.uniform(0, 0.1), 1)) / 80
                            found.append((marks, row, seed, seed, f"{cluster}/{seed}", task, step, won, 80))
    names = ["marks", "method", "fold", "seed", "checkpoint", "task", "env_step", "value", "episodes"]
    return pl.DataFrame(found, schema=names, orient="row")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    runs, found = made_up(), tmp_path_factory.mktemp("page")
    gather = script("gather")
    holds = {name: Precondition(name, True, "") for name in (learned(MULTITASK), learned(RL2), EXPLORES)}
    cells = cells_of(beside(runs), 3_072)
    predictions = decided(map_claims(*CONFIGS.values()), cells, holds, alpha=0.05)
    page = {"look": 5, "alpha": 0.05, "map": gather.cells_of_map(runs, CONFIGS)}
    (found / "map.json").write_text(json.dumps({**page, "predictions": as_json(predictions)}))
    runs.write_parquet(found / "runs.parquet")
    return found


def recompute(folder):
    command = [sys.executable, PAGE / "recompute.py", folder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_number_is_found_again_and_a_changed_run_is_noticed(folder, tmp_path):
    done = recompute(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    count = int(done.stdout.split()[0])
    assert count > 400
    (tmp_path / "map.json").write_bytes((folder / "map.json").read_bytes())
    runs = pl.read_parquet(folder / "runs.parquet")
    one = (pl.col("method") == "rl2") & (pl.col("seed") == 102) & (pl.col("marks") == 0)
    changed = pl.when(one).then(pl.col("value") / 2).otherwise("value")
    runs.with_columns(value=changed).write_parquet(tmp_path / "runs.parquet")
    done = recompute(tmp_path)
    assert done.returncode == 1
    assert "DIFFERENT" in done.stdout


def test_the_pages_tables_are_those_of_its_files():
    done = subprocess.run([sys.executable, PAGE / "tables.py"], capture_output=True, text=True, check=True)
    rows = [line for line in done.stdout.splitlines() if line.startswith(("|", "* "))]
    page = (PAGE / "README.md").read_text().splitlines()
    assert len(rows) >= 100
    assert [row for row in rows if row not in page] == []


def test_the_pages_own_numbers_are_found_again_and_counted():
    done = recompute(PAGE)
    assert done.returncode == 0, done.stdout + done.stderr
    count, of_what, *_ = done.stdout.splitlines()[-1].split()
    assert of_what == "numbers"
    assert f"finds {count} numbers of the map" in (PAGE / "README.md").read_text()


def test_the_verdicts_and_the_numbers_of_parts_shown_are_said():
    text = (PAGE / "README.md").read_text()
    counts = []
    for one in json.loads((PAGE / "map.json").read_text())["predictions"]:
        verdict = one["label"].partition(":")[0]
        counts.append(f"{sum(part['passed'] for part in one['parts'])} of {len(one['parts'])}")
        assert f"\n| {one['id']} {verdict} | {counts[-1]} |" in text
    headline = text.split("**")[1]
    assert re.findall(r"\d+ of \d+", headline) == counts


def test_the_map_has_a_cell_for_each_family_and_snapshot(folder):
    page = json.loads((folder / "map.json").read_text())
    found = [(cell["marks"], cell["env_step"]) for cell in page["map"]]
    assert found == [(marks, step) for marks in (0, 4) for step in STEPS]
    early = page["map"][0]
    assert early["best"].startswith("rl2")
    assert not early["decided"]  # with gradients to come or not, it is the same agent
    assert early["pretraining_decided"]
    assert set(early["means"]) == set(MAP.methods[5:7]) | {
        f"{name}, rate 0.005" for name in (*MAP.methods[:5], "rl2:both")
    }
    figure = script("figure").draw(page)
    texts = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert "not run" in texts  # one and two marks


def test_few_trials_pick_wrong_winners_more_often(folder):
    audit = script("audit")
    rng = np.random.default_rng(1)
    # The better arm is better at its best rate alone, which noisy trials miss.
    truth = np.array([[0.3, 0.5, 0.9, 0.6], [0.7, 0.72, 0.74, 0.7]])
    arms = [
        (
            np.clip(rng.normal(mean[:, None, None], 0.15, (4, 4, 4)), 0, 1),
            np.clip(rng.normal(mean[:, None], 0.02, (4, 5)), 0, 1),
        )
        for mean in truth
    ]
    sums = {recipe: dict.fromkeys((-1, 0, 1), 0.0) for recipe in audit.RECIPES}
    for recipe, chance, _, named in audit.verdicts(arms):
        for who in sums[recipe]:
            sums[recipe][who] += float(chance[named == who].sum())
    assert all(sum(shares.values()) == pytest.approx(1) for shares in sums.values())
    wrong = {recipe: shares[-1] for recipe, shares in sums.items()}
    assert wrong["oracle rival"] <= wrong["full grid"] < 0.1
    assert wrong["four trials"] > 2 * wrong["full grid"]
    drawn = script("drawn")  # the same shares by drawing, within four standard errors
    for recipe in audit.RECIPES:
        named = [drawn.verdict(recipe, arms, np.random.default_rng(i)) for i in range(200)]
        for who, share in sums[recipe].items():
            assert np.mean(np.equal(named, who)) == pytest.approx(
                share, abs=4 * (share * (1 - share) / 200) ** 0.5 + 0.005
            )


def test_a_rate_is_chosen_as_often_as_it_is_the_best(folder):
    audit = script("audit")
    # One order counts as two: a trial sees both, so each is the mean of a seed.
    validation = np.array([[[0.2, 0.2], [0.6, 0.6]], [[0.4, 0.4], [0.4, 0.4]]])
    # Four draws from {.2, .6 | .4, .4}: .6 is among them with 1 - (3/4)^4, else .4 with (3/4)^4 - (1/4)^4.
    assert audit.by_four_trials(validation) == pytest.approx([1 - 80 / 256, 80 / 256])
    # Two seeds drawn from two: means of the first rate .2, .4, .6 with 1/4, 1/2, 1/4; a tie is the first's.
    assert audit.by_full_grid(validation) == pytest.approx([0.75, 0.25])
