"""Agents that a study has trained: listed, loaded, taken away with their memory or their latent."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fvm_learners
import numpy as np
import pytest
import study
import torch
from study.command_line.cli import run
from study.config import StudyConfig
from study.engines import Event
from study.errors import StudyError
from study.folder.plan_file import PlanFile, write_plan
from study.folder.store import Store
from study.jobs.trained_agents import chosen, trained_agents
from study.plan import Plan, make_plan

RunPlan = Callable[[Plan, Store], list[Event]]


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
    small: StudyConfig,
    small_rainbow: StudyConfig,
    run_plan: RunPlan,
) -> Path:
    """Two studies, as "ppo" and "rainbow" in the folder that is returned."""
    root = tmp_path_factory.mktemp("trained")
    short = {"held_out": (84,)}
    studies = {
        "ppo": replace(small, **short, methods=("scratch", "multitask", "multitask:none", "rl2"), seeds=2),
        "rainbow": replace(small_rainbow, **short, methods=("pearl",)),
    }
    for name, config in studies.items():
        phase = replace(config.pretrain, env_steps=256), replace(config.adapt, env_steps=128)
        plan = make_plan(replace(config, pretrain=phase[0], adapt=phase[1]))
        (root / name).mkdir()
        wanted = [job for job in plan.jobs if job.kind in ("pretrain", "adapt")]
        events = run_plan(Plan(jobs=tuple(wanted), folds=plan.folds), Store(root / name))
        assert [event.message for event in events if event.what == "failed"] == []
        write_plan(root / name, PlanFile(jobs=plan.jobs))
    return root


def test_all_finished_trainings_are_listed(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agents = trained_agents(trained / "ppo")
    names = [(agent.methods, agent.job.seed, agent.task) for agent in agents]
    for seed in (0, 1):
        assert (("multitask", "multitask:none"), seed, "") in names  # one pretraining of two methods
        assert (("rl2",), seed, "") in names
        assert (("scratch",), seed, "toy/catch/84") in names
    assert len(names) == 2 * 2 + 2 * 4
    assert run(["agents", str(trained / "ppo"), "--method", "rl2"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["method", "seed", "task", "checkpoint"]
    assert [row.split() for row in rows if "(" in row] == [
        ["rl2", "0", "(pretrained)", "rl2/0"],
        ["rl2", "1", "(pretrained)", "rl2/1"],
    ]
    assert len(rows) == 4
    assert run(["agents", str(trained / "ppo"), "--seed", "99"]) == 2
    assert "there is no such agent; give a method" in capsys.readouterr().err


def test_an_agent_has_the_weights_of_its_job_and_acts(trained: Path) -> None:
    agent = study.load_agent(trained / "ppo", "multitask", 1, task=84)
    (one,) = chosen(trained_agents(trained / "ppo"), "multitask", 1, "84")
    weights = Store(trained / "ppo").weights(one.job)
    assert agent.policy.weights.keys() == weights.keys()
    assert all(torch.equal(agent.policy.weights[name], weights[name]) for name in weights)
    obs = np.stack([agent.observation_space.sample() for _ in range(3)])
    action, _ = agent.predict(obs)
    assert all(agent.action_space.contains(one) for one in action)


def test_the_pretrained_agent_of_a_method_that_shares_its_pretraining(trained: Path) -> None:
    own, shared = (study.load_agent(trained / "ppo", name) for name in ("multitask", "multitask:none"))
    assert all(
        torch.equal(own.policy.weights[name], shared.policy.weights[name]) for name in own.policy.weights
    )


@pytest.mark.parametrize(
    ("where", "method", "what"), [("ppo", "rl2", "memory"), ("rainbow", "pearl", "latent")]
)
def test_what_an_agent_has_inferred_of_its_task_goes_with_it(
    trained: Path, tmp_path: Path, where: str, method: str, what: str
) -> None:
    to = tmp_path / "taken"
    command = ["agents", str(trained / where), "--method", method, "--seed", "0", "--task", "84"]
    assert run([*command, "--to", str(to)]) == 0
    taken, loaded = fvm_learners.load_agent(to), study.load_agent(trained / where, method, task="84")
    mine, theirs = getattr(taken.policy, what), getattr(loaded.policy, what)
    assert vars(mine).keys() == vars(theirs).keys()
    assert all(torch.equal(vars(mine)[name], vars(theirs)[name]) for name in vars(mine))
    assert getattr(study.load_agent(trained / where, method).policy, what, None) is None  # pretrained
    obs = loaded.observation_space.sample()
    seen = obs["obs"] if isinstance(obs, dict) else obs  # an agent with a memory is told its rewards apart
    state = other = None
    for _ in range(3):
        action, state = taken.predict(seen, state, reward=0.5)
        same, other = loaded.predict(seen, other, reward=0.5)
        assert action == same


def test_a_folder_without_a_study_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("no folder")
    for folder in (tmp_path, tmp_path / "nowhere", tmp_path / "a file"):
        with pytest.raises(StudyError, match="holds no study: give the folder that"):
            study.load_agent(folder, "multitask")


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (("multitask", 5), "there is no such agent; give a method, a seed, a task"),
        (("nobody", 0), "there is no such agent"),
        (("scratch", 0), "there is no such agent"),  # it has no pretraining
    ],
)
def test_an_agent_that_is_not_there_is_one_sentence(
    trained: Path, choice: tuple[str, int], words: str
) -> None:
    with pytest.raises(StudyError, match=words):
        study.load_agent(trained / "ppo", *choice)


def test_what_cannot_be_taken_out_is_one_sentence(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    several = ["agents", str(trained / "ppo"), "--method", "rl2", "--to", str(tmp_path / "a")]
    assert run(several) == 2
    assert "4 agents are meant" in capsys.readouterr().err
    assert run([*several[:4], "--seed", "0", "--task", "", "--to", str(tmp_path)]) == 2
    assert "is there already; name a folder that is not" in capsys.readouterr().err
    assert run(["agents", str(tmp_path)]) == 2
    copy = tmp_path / "copy"
    shutil.copytree(trained / "ppo", copy)
    (one,) = chosen(trained_agents(copy), "rl2", 0, "")
    path = Store(copy).folder(one.job) / "weights.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(StudyError, match=r"weights\.safetensors is damaged"):
        study.load_agent(copy, "rl2")


def test_names_that_would_steer_a_terminal_are_shown_escaped(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained / "ppo", tmp_path / "copy")
    plan = tmp_path / "copy" / "plan.json"
    plan.write_text(plan.read_text().replace('"method": "rl2"', '"method": "\\u001b[2Jrl2"'))
    assert run(["agents", str(tmp_path / "copy")]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\\x1b[2Jrl2" in shown
    plan.write_text(plan.read_text().replace('"seed": 1', '"seed": "one"'))
    assert run(["agents", str(tmp_path / "copy")]) == 2
    assert "has a label of another type" in capsys.readouterr().err


def test_importing_study_loads_no_torch() -> None:
    code = "import study, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
