from dataclasses import dataclass, replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import RainbowConfig
from fvm_learners.rainbow.q_network import QNetwork
from fvm_learners.replay import Replay
from fvm_learners.replay.protected import PROTECTED, Protected
from fvm_learners.replay.samplers import TaskBalanced, prioritised_batch

CONFIG = RainbowConfig(batch_size=10)


def replay_of(num, task, seed=0):
    """`num` one-step transitions of observation (task, i) with losses drawn at random."""
    replay = Replay(200, (2,), torch.float32, frame_stack=1, n_step=1, discount=0.9, priority_exponent=0.5)
    for i in range(num):
        obs = np.array([[task, i]], dtype=np.float32)
        replay.append([0], obs, np.array([i % 3]), np.array([i]), np.array([True]), np.array([True]))
    rows = np.arange(num)
    replay.update_priorities(rows, np.random.default_rng([seed, task]).random(num) + 0.1)
    return replay


@dataclass
class View:
    """What a sampler sees of a learner."""

    replays: list
    ready_tasks: list
    config: RainbowConfig = CONFIG
    beta: float = 0.6
    policy: QNetwork | None = None
    protected: Protected | None = None

    def make_batch(self, tasks, rng, latent=None):
        return prioritised_batch(self, tasks, rng, latent)


@pytest.fixture
def view():
    return View([replay_of(num, task) for task, num in enumerate((20, 50, 150, 90))], [0, 1, 2, 3])


def test_importance_weights_are_those_of_the_formula(view):
    batch = TaskBalanced().batch(view, np.random.default_rng(0))
    weight = []
    for task, row in zip(batch.task_index, batch.rows, strict=True):
        priorities = view.replays[task]._tree.priorities
        num = (priorities > 0).sum()
        weight.append((num * priorities[row] / priorities.sum()) ** -0.6)
    np.testing.assert_allclose(batch.weight, np.array(weight) / max(weight), rtol=1e-5)
    assert batch.weight.max() == 1
    assert batch.weight.min() < 0.9


def test_weights_make_up_for_priorities_on_average(view):
    """At beta 1 the weighted mean of any quantity is its uniform mean: here i, with mean 74.5 of 150.

    400 batches of 10; four standard errors of the mean are about 4 * 43 * 1.4 / sqrt(4000) = 3.8.
    """
    rng, total = np.random.default_rng(0), []
    one = replace_view(view, ready_tasks=[2], beta=1.0)
    for _ in range(400):
        batch = TaskBalanced().batch(one, rng)
        priorities = view.replays[2]._tree.priorities
        largest = (150 * priorities[batch.rows] / priorities.sum()).min() ** -1.0
        total.append((batch.weight.numpy() * largest * batch.return_.numpy()).mean())
    assert np.mean(total) == pytest.approx(74.5, abs=3.8)
    unweighted = [
        float(TaskBalanced().batch(one, rng).return_.mean()) for _ in range(400)
    ]  # that this differs shows that the weights do something
    priorities = view.replays[2]._tree.priorities[:150]
    assert np.mean(unweighted) == pytest.approx(
        (priorities * np.arange(150)).sum() / priorities.sum(), abs=3.8
    )


def replace_view(view, **changes):
    return replace(view, **changes)


def test_shares_are_equal_to_within_one(view):
    batch = TaskBalanced().batch(view, np.random.default_rng(0))
    assert np.bincount(batch.task_index).tolist() == [3, 3, 2, 2]
    assert batch.obs[:, 0].tolist() == batch.task_index.tolist()
    for part in (batch.action % 3, batch.obs[:, 1] % 3):
        assert part.tolist() == (batch.rows % 3).tolist()


def test_tasks_are_drawn_without_replacement_from_those_that_are_ready(view):
    view = replace(view, ready_tasks=[0, 2, 3], config=replace(CONFIG, tasks_per_batch=2))
    rng, counts = np.random.default_rng(0), np.zeros(4)
    for _ in range(900):
        batch = TaskBalanced().batch(view, rng)
        chosen = set(batch.task_index.tolist())
        assert len(chosen) == 2
        counts[list(chosen)] += 1
    assert counts[1] == 0
    assert abs(counts[[0, 2, 3]] - 600).max() < 4 * np.sqrt(900 * 2 / 9)


def test_fewer_ready_tasks_or_samples_than_wanted(view):
    rng = np.random.default_rng(0)
    for ready, wanted, size, expected in (
        ([1], 2, 10, {1: 10}),
        ([0, 1, 2, 3], 3, 2, None),
        ([0, 1, 2, 3], None, 1, None),
    ):
        config = replace(CONFIG, tasks_per_batch=wanted, batch_size=size)
        batch = TaskBalanced().batch(replace(view, ready_tasks=ready, config=config), rng)
        counts = dict(zip(*np.unique(batch.task_index, return_counts=True), strict=True))
        assert sum(counts.values()) == size
        assert expected is None or counts == expected
        assert max(counts.values()) - min(counts.values()) <= 1


def test_one_latent_for_all_of_a_tasks_transitions(view):
    latent = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
    batch = prioritised_batch(view, [3, 0, 2], np.random.default_rng(0), latent=latent)
    assert batch.task_index.tolist() == [3] * 4 + [0] * 3 + [2] * 3
    assert batch.latent.tolist() == [[1, 2]] * 4 + [[3, 4]] * 3 + [[5, 6]] * 3
    batch.latent.sum().backward()
    assert latent.grad.tolist() == [[4, 4], [3, 3], [3, 3]]
    assert prioritised_batch(view, [3], np.random.default_rng(0)).latent is None


def test_no_latents_for_slots(view):
    network = QNetwork(
        gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(3), CONFIG, torch.Generator().manual_seed(0)
    )
    none = TaskBalanced().latent(network, view.replays, np.array([0, 1]), np.random.default_rng(0))
    assert none is None


def test_what_is_protected_has_its_share_first_and_a_uniform_draw(view):
    """Of CONFIG's batch a quarter; the rest is shared as ever. N p = 1 of a uniform draw."""
    size = CONFIG.batch_size
    view.protected = Protected(replay_of(40, 9), 0.25, size)
    kept = view.protected.count
    assert kept == round(size / 4)
    view.protected.replay.update_priorities(np.arange(40), np.ones(40))
    batch = prioritised_batch(view, [1, 3], np.random.default_rng(0))
    counts = {task: int((batch.task_index == task).sum()) for task in (PROTECTED, 1, 3)}
    assert counts[PROTECTED] == kept
    assert abs(counts[1] - counts[3]) <= 1
    assert sum(counts.values()) == len(batch.action) == size
    own = batch.task_index == PROTECTED
    expected = view.protected.replay.transitions(batch.rows[own])
    assert torch.equal(batch.obs[torch.from_numpy(own)], expected.obs)
    weights = batch.weight[torch.from_numpy(own)]
    others = [
        (view.replays[task].num_transitions * view.replays[task]._tree.priorities[row])
        / view.replays[task]._tree.total
        for task, row in zip(batch.task_index[~own], batch.rows[~own], strict=True)
    ]
    largest = max(1.0, *(np.array(others) ** -view.beta))
    assert weights.tolist() == pytest.approx([1 / largest] * kept, rel=1e-5)
