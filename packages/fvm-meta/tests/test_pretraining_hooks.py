"""Hooks of the user's inside a pretraining: each paradigm calls them, and resumes them bit for bit."""

import copy
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fvm_learners.hooks import Hook
from fvm_meta import RL2, MultiTask, Reptile, ReptileConfig
from fvm_meta.paradigm import Paradigm
from fvm_meta.pearl import PEARL
from fvm_meta.replay_reptile import ReplayReptile

TASKS = (0, 3, 6)
BUDGET = 160


class Pull(Hook):
    """A noisy pull on the weights that fades, sits out every third step, and looks at rollouts."""

    name = "pull"

    def __init__(self):
        self.strength, self.steps, self.rollouts = 1.0, 0, 0

    def on_rollout(self, rollout):
        self.rollouts += 1
        return {"row": torch.arange(len(rollout.value)).float()[:, None].expand(rollout.value.shape)}

    def term(self, policy, batch):
        if self.steps % 3 == 2:
            return None
        noise = torch.rand((), generator=self.rng)
        size = sum((weight**2).sum() for weight in policy.parameters())
        return 1e-2 * self.strength * noise * size, {"strength": torch.tensor(self.strength)}

    def after_step(self):
        self.strength, self.steps = 0.97 * self.strength, self.steps + 1

    def state_dict(self):
        return {**super().state_dict(), "strength": self.strength, "steps": self.steps}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.strength, self.steps = state["strength"], state["steps"]


def with_pull(lab, made):
    def make_learner(*spaces, hooks=(), **options):
        made.append(Pull())
        return lab.make_learner(*spaces, hooks=[*hooks, made[-1]], **options)

    return make_learner


def start(paradigm, lab, replay_lab, budget, hooked=True, resume=None):
    """A stream of snapshots of the paradigm's pretraining, and the hooks of its learners."""
    if paradigm is RL2:
        lab = lab.with_config(recurrent=True, lstm_size=4)
    elif paradigm in (PEARL, ReplayReptile):
        lab = replay_lab.with_config(latent_size=2 * (paradigm is PEARL))
    config = ReptileConfig(inner_updates=2, meta_batch=2) if issubclass(paradigm, Reptile) else None
    made: list[Pull] = []
    make = with_pull(lab, made) if hooked else lab.make_learner
    way: Paradigm = paradigm(make, lab.make_envs, config)
    return way.pretrain(TASKS, budget(BUDGET), np.random.default_rng(3), resume=resume), made


@pytest.mark.parametrize("paradigm", [MultiTask, Reptile, ReplayReptile, RL2, PEARL])
def test_a_hook_of_the_users_counts_and_resumes(paradigm, lab, replay_lab, budget, same, filed):
    stream, made = start(paradigm, lab, replay_lab, budget)
    whole = [(snapshot, copy.deepcopy(snapshot.state())) for snapshot in stream]
    (hook,) = made
    last = whole[-1][0]
    assert hook.steps == last.spent.updates > 10
    assert (hook.rollouts > 0) == (paradigm not in (ReplayReptile, PEARL))
    told = [s.metrics["pull/strength"] for s, _ in whole if "pull/strength" in s.metrics]
    assert told == sorted(told, reverse=True)
    assert len(told) > 1

    *_, plain = start(paradigm, lab, replay_lab, budget, hooked=False)[0]
    weights = plain.policy.weights
    assert any(not torch.equal(tensor, weights[name]) for name, tensor in last.policy.weights.items())

    middle = len(whole) // 2
    rest, made = start(paradigm, lab, replay_lab, budget, resume=filed(whole[middle][1]))
    again = [(snapshot, copy.deepcopy(snapshot.state())) for snapshot in rest]
    assert same(again[-1][1], whole[-1][1])
    assert again[-1][0].metrics == last.metrics
    assert made[0].strength == hook.strength


SCRIPT = """
import os, sys
import numpy as np, torch
sys.path.insert(0, sys.argv[1])
from conftest import Budget, Lab
from test_pretraining_hooks import TASKS, with_pull
from fvm_meta import MultiTask
lab, made = Lab(), []
way = MultiTask(with_pull(lab, made), lab.make_envs)
for snapshot in way.pretrain(TASKS, Budget(100_000), np.random.default_rng(3)):
    torch.save(snapshot.state(), sys.argv[2] + ".partial")
    os.replace(sys.argv[2] + ".partial", sys.argv[2])
    print(snapshot.env_step, flush=True)
"""


def test_a_schedule_survives_a_kill(lab, budget, same, tmp_path):
    """The process is killed in the middle of whatever it does; what its last checkpoint has goes on."""
    path = tmp_path / "state"
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as process:
        for _ in range(7):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    saved = torch.load(path, weights_only=False)
    reached = saved["ledger"]["env_steps"]
    assert reached >= 140
    end, made, states = reached + 60, [], []
    for resume in (saved, None):
        way = MultiTask(with_pull(lab, made), lab.make_envs)
        for snapshot in way.pretrain(TASKS, budget(end), np.random.default_rng(3), resume=resume):
            state = snapshot.state()
        states.append(copy.deepcopy(state))
    assert same(*states)
    assert made[0].strength == made[1].strength == pytest.approx(0.97 ** made[1].steps)
    assert made[1].steps > 20
