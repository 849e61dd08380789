"""The study in which nothing learns: rlbench's preset players."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from fvm_envs import make_vec
from fvm_envs.manipulation.tasks import TASKS
from fvm_envs.suite import SUITES
from study.command_line.arguments import Arguments
from study.command_line.cli import run
from study.plan import make_plan
from study.presets import rlbench
from study.resolve import resolve

LINE = "--benchmark rlbench --preset players --held-out lamp_on reach_target/3 --no-tracking --workers 0"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    preset = rlbench.PLAYERS_PRESET
    few = replace(preset, evaluation=replace(preset.evaluation, episodes=4))
    monkeypatch.setitem(rlbench.RLBENCH.presets, "players", few)


@pytest.mark.usefixtures("short")
def test_players_of_rlbench_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "s"
    assert run([*LINE.split(), "--output", str(root)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Simulator: MuJoCo. Its tasks are re-creations" in shown
    assert "4/4" in shown
    episodes = pl.read_parquet(root / "results.parquet")
    assert episodes.columns == ["player", "task", "episode", "score"]
    assert len(episodes) == 2 * 2 * 4
    planner = episodes.filter(player="waypoints")
    assert planner["score"].sum() == 8, "the planner solves both of these tasks every time"
    page = (root / "report" / "report.html").read_text()
    assert "scores here are not RLBench scores" in page
    assert "re-created in MuJoCo" in page
    assert "--held-out lamp_on reach_target/3" in page

    before = {path.name: path.read_bytes() for path in (root / "report").iterdir()}
    table = (root / "results.parquet").read_bytes()
    assert run([*LINE.split(), "--output", str(root)]) == 0
    assert "4 of 4 jobs are finished from before" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in (root / "report").iterdir()} == before
    assert (root / "results.parquet").read_bytes() == table


@pytest.mark.usefixtures("short")
def test_a_dry_run_plays_a_little_and_keeps_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*LINE.split(), "--dry-run", "--output", str(tmp_path / "s")]) == 0
    assert "time      about" in capsys.readouterr().out
    assert not any(tmp_path.iterdir())


def test_the_studys_eleven_tasks_are_played() -> None:
    config = resolve(Arguments(benchmark="rlbench", preset="players"), "quick")
    assert [*config.held_out] == list(TASKS)[:11]
    jobs = make_plan(config).jobs
    assert len({job.key for job in jobs}) == len(jobs) == 22
    assert {job.spec["env_options"]["simulator"] for job in jobs} == {"mujoco"}


def test_the_simulator_is_part_of_a_jobs_key_and_named_by_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rlbench, "check_coppeliasim", lambda: None)
    real = resolve(Arguments(benchmark="rlbench", preset="players", simulator="coppeliasim"), "quick")
    ours = resolve(Arguments(benchmark="rlbench", preset="players"), "quick")
    assert real.script is None
    assert "CoppeliaSim" in real.title
    assert "CoppeliaSim" in real.note
    assert not {job.key for job in make_plan(real).jobs} & {job.key for job in make_plan(ours).jobs}
    assert real.identity != ours.identity


def test_a_training_in_coppeliasim_begins_its_slots_anew_where_it_can_be_resumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rlbench, "check_coppeliasim", lambda: None)
    for preset, pretrain, adapt in (("quick", 200, 200), ("paper", 1_000, 500)):
        asked = Arguments(benchmark="rlbench", preset=preset, simulator="coppeliasim", set=("cameras=wrist",))
        config = resolve(asked, "quick")
        trainings = [job.spec for job in make_plan(config).jobs if job.kind in ("pretrain", "adapt")]
        every = {spec["kind"]: spec["phase"]["restart_every"] for spec in trainings}
        assert every == {"pretrain": pretrain, "adapt": adapt}  # ten iterations of ten steps
        assert {spec["env_options"]["simulator"] for spec in trainings} == {"coppeliasim"}
        assert trainings[0]["env_options"]["cameras"] == ["wrist"]


def test_a_missing_coppeliasim_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COPPELIASIM_ROOT", raising=False)
    line = "--benchmark rlbench --simulator coppeliasim"
    assert run([*line.split(), "--output", str(tmp_path / "s")]) == 2
    shown = capfd.readouterr()
    assert "[missing] CoppeliaSim: COPPELIASIM_ROOT is not set" in shown.out
    assert shown.err.count("\n") == 1
    assert "use --simulator mujoco" in shown.err
    assert not any(tmp_path.iterdir())


def test_the_random_player_of_a_box_draws_poses() -> None:
    envs = make_vec("rlbench/lamp_on", 1, 0, cameras=())
    assert SUITES["rlbench"].player("random", envs, {}).__class__.__name__ == "UniformBoxPolicy"
