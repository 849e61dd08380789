"""Reptile: the outer step by hand, its schedules, its share of envs and budget, exact resume."""

from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import Iteration
from fvm_meta import MultiTask, Reptile, ReptileConfig
from fvm_meta.reptile import EPS_SCHEDULES, OuterLoop, reptile_step

TASKS, TASK = (0, 3, 6), 5
OUTER = 60  # 4 envs x 5 steps x 3 inner updates


def pretrain(lab, budget, steps=4 * OUTER, at=(), resume=None, seed=3, tasks=TASKS, **config):
    paradigm = lab.build(Reptile, ReptileConfig(**config))
    return paradigm.pretrain(tasks, budget(steps), np.random.default_rng(seed), at=at, resume=resume)


def record(stream):
    """Every snapshot with its state, taken before the stream goes on."""
    return [(snapshot, snapshot.state()) for snapshot in stream]


def test_the_step_by_hand():
    theta = {"w": torch.tensor([1.0, 2.0]), "b": torch.tensor(0.0)}
    one = {"w": torch.tensor([2.0, 6.0]), "b": torch.tensor(1.0)}
    other = {"w": torch.tensor([4.0, 0.0]), "b": torch.tensor(-2.0)}
    moved = reptile_step(theta, [one], 0.25)
    assert (moved["w"].tolist(), moved["b"].item()) == ([1.25, 3.0], 0.25)
    # displacements (1, 4) and (3, -2), mean (2, 1); 1 and -2, mean -1/2
    moved = reptile_step(theta, [one, other], 0.5)
    assert (moved["w"].tolist(), moved["b"].item()) == ([2.0, 2.5], -0.25)
    assert reptile_step(theta, [one, other], 0.0)["w"].tolist() == [1, 2]
    assert theta["w"].tolist() == [1, 2]


class Counting:
    """A learner whose update adds the goal it is shown to its one weight; 10 env steps of 2 envs."""

    def __init__(self):
        self.w, self.fresh, self.restarted, self.goals = torch.tensor(0.0), 0, True, []

    def iteration_env_steps(self, num_envs):
        return 5 * num_envs

    def iteration(self, envs, max_env_steps=None):
        if self.restarted:
            envs.reset(seed=len(self.goals))
            self.goals.append(int(envs.goal[0]))
        self.restarted = False
        self.w = self.w + float(envs.goal[0])
        return Iteration(min(5 * envs.num_envs, max_env_steps), 1, {"w": float(self.w)}, ())

    def frozen_policy(self):
        return SimpleNamespace(weights={"w": self.w.clone()})

    def load_weights(self, weights):
        self.w = weights["w"].clone()

    def restart(self):
        self.restarted = True

    def reset_optimiser(self):
        self.fresh += 1


def outer_loop(goal_line, budget, steps, **config):
    loop = OuterLoop(Counting(), TASKS, budget(steps), ReptileConfig(**config), rng=np.random.default_rng(0))
    return loop, goal_line(TASKS, 2, 0, "stay")


def test_two_outer_steps_by_hand(goal_line, budget):
    """theta 0; an inner loop of 2 updates moves it by twice the goal, all from the same theta."""
    loop, envs = outer_loop(goal_line, budget, 120, eps_schedule=(0.5, 0.0), inner_updates=2, meta_batch=3)
    assert loop.iteration_env_steps(2) == 60
    first = loop.iteration(envs)
    goals = loop.learner.goals
    theta = 0.5 * 2 * sum(goals[:3]) / 3
    assert loop.frozen_policy().weights["w"].item() == pytest.approx(theta)
    assert (first.env_steps, first.updates, first.metrics["eps"]) == (60, 6, 0.5)
    assert first.metrics["w"] == pytest.approx(np.mean([k * goal for goal in goals[:3] for k in (1, 2)]))
    second = loop.iteration(envs)  # half the budget is spent: eps is .25
    assert second.metrics["eps"] == 0.25
    theta += 0.25 * 2 * sum(goals[3:]) / 3
    assert loop.frozen_policy().weights["w"].item() == pytest.approx(theta)
    assert len(goals) == 6
    assert second.metrics["distinct_tasks"] == len(set(goals))
    assert len(set(goals)) > 1


def test_what_is_left_of_a_budget_goes_to_fewer_tasks_and_a_shorter_inner_loop(goal_line, budget):
    loop, envs = outer_loop(goal_line, budget, 120, eps_schedule=(0.5, 0.5), inner_updates=2, meta_batch=3)
    last = loop.iteration(envs, 26)  # 20 for one task, 6 for the next
    one, other = loop.learner.goals
    assert (last.env_steps, last.updates) == (26, 3)
    assert loop.frozen_policy().weights["w"].item() == pytest.approx(0.5 * (2 * one + other) / 2)


@pytest.mark.parametrize(("inner_optimiser", "times"), [("fresh", 6), ("kept", 0)])
def test_an_inner_loop_starts_with_a_fresh_optimiser_or_keeps_it(goal_line, budget, inner_optimiser, times):
    loop, envs = outer_loop(goal_line, budget, 120, meta_batch=3, inner_optimiser=inner_optimiser)
    loop.iteration(envs)
    loop.iteration(envs)
    assert loop.learner.fresh == times


@pytest.mark.parametrize(("inner_optimiser", "adam_steps"), [("fresh", 12), ("kept", 48)])
def test_adam_counts_its_steps_anew_or_on(lab, budget, inner_optimiser, adam_steps):
    """3 updates of 2 epochs x 2 minibatches an inner loop, 4 of them."""
    *_, (_, state) = record(pretrain(lab, budget, inner_optimiser=inner_optimiser))
    assert set(state["learner"]["learner"]["optimiser"]["step"].values()) == {adam_steps}


def test_each_schedule_differs_from_the_others_as_computed(lab, budget):
    """Four outer steps, so a quarter, a half and three quarters of the budget are spent before the last."""
    expected = {
        "as_printed": [0.1, 0.075, 0.05, 0.025],
        "authors": [0.9, 0.925, 0.95, 0.975],
        "authors_atari": [0.0, 0.25, 0.5, 0.75],
        "tuned": [0.5, 0.375, 0.25, 0.125],
    }
    assert EPS_SCHEDULES.keys() == expected.keys()
    ends, starts = {}, {}
    for name, schedule in EPS_SCHEDULES.items():
        start, *snapshots = pretrain(lab, budget, at=(0,), eps_schedule=schedule)
        assert [s.metrics["eps"] for s in snapshots] == pytest.approx(expected[name])
        starts[name], ends[name] = start.policy.weights["value.weight"], snapshots[-1].policy.weights
        moved = not torch.equal(snapshots[0].policy.weights["value.weight"], starts[name])
        assert moved == (name != "authors_atari")  # its first step has size 0
    assert all(torch.equal(start, starts["tuned"]) for start in starts.values())
    weights = [end["value.weight"] for end in ends.values()]
    assert not any(torch.equal(a, b) for i, a in enumerate(weights) for b in weights[:i])


def test_a_snapshot_is_theta_and_not_what_the_inner_loop_made_of_it(lab, budget, same):
    """With eps 0 theta never moves, though the learner trains all the while."""
    start, *snapshots = pretrain(lab, budget, at=(0, 7, OUTER + 31), eps_schedule=(0.0, 0.0))
    assert [s.env_step for s in snapshots] == [7, 60, 91, 120, 180, 240]
    assert all(same(dict(s.policy.weights), dict(start.policy.weights)) for s in snapshots)
    assert snapshots[-1].spent.updates == 48
    assert snapshots[1].metrics["grad_norm"] > 0


def test_the_budget_is_met_exactly_and_envs_are_shared_between_tasks(lab, budget):
    """Two tasks with 2 of the 4 envs each: an outer step of 60 env steps, the last one of 44."""
    snapshots = list(pretrain(lab, budget, steps=2 * OUTER + 44, meta_batch=2))
    (envs,) = lab.envs
    assert (envs.num_envs, envs.on_episode_end, lab.options) == (2, "stay", [{"split": 2}])
    assert [s.env_step for s in snapshots] == [60, 120, 164]
    assert envs.steps_taken == lab.learners[0].env_step == snapshots[-1].spent.env_steps == 164
    # 30 steps of 3 rollouts for one task, 14 for the next: a rollout of 5 rows and one of 2
    assert [s.spent.updates for s in snapshots] == [24, 48, 48 + 12 + 4 + 2]
    episodes = [e for s in snapshots for e in s.episodes]
    assert snapshots[-1].spent.episodes == len(episodes)
    assert all(s.env_step - 60 < e.env_step <= s.env_step for s in snapshots for e in s.episodes)


def test_distinct_tasks_are_counted_and_an_inner_loop_plays_one_task_alone(lab, budget):
    tasks = tuple(range(8))
    stream = pretrain(lab, budget, steps=6 * OUTER, tasks=tasks, meta_batch=2)
    seen = set()
    for snapshot in stream:
        halves = [set(), set()]
        for episode in snapshot.episodes:
            halves[episode.env_step > snapshot.env_step - 30].add(episode.task_index)
        assert [len(half) for half in halves] == [1, 1]
        seen |= halves[0] | halves[1]
        assert snapshot.metrics["distinct_tasks"] == len(seen)
    assert len(seen) > 3


@pytest.mark.parametrize("config", [{}, {"meta_batch": 2}, {"inner_optimiser": "kept"}])
def test_resume_from_any_snapshot_is_bit_for_bit_the_uninterrupted_stream(lab, budget, same, filed, config):
    def stream(resume=None):
        return record(
            pretrain(lab, budget, steps=2 * OUTER + 44, at=(0, 7, 71, 164), resume=resume, **config)
        )

    whole = stream()
    assert [s.env_step for s, _ in whole] == [0, 7, 60, 71, 120, 164]
    for position, (_, state) in enumerate(whole):
        rest = stream(filed(state))
        assert len(rest) == len(whole) - position - 1
        for (snapshot, resumed), (expected, kept) in zip(rest, whole[position + 1 :], strict=True):
            assert same(resumed, kept)
            assert same(dict(snapshot.policy.weights), dict(expected.policy.weights))
            for fact in ("spent", "metrics", "episodes"):
                assert getattr(snapshot, fact) == getattr(expected, fact)


@pytest.mark.parametrize("inner_optimiser", ["fresh", "kept"])
def test_with_eps_1_and_one_task_it_is_plain_training(lab, budget, goal_line, inner_optimiser):
    """Up to new episodes, and a new optimiser if fresh, after every k updates."""
    *_, reptile = pretrain(
        lab, budget, tasks=(TASK,), eps_schedule=(1.0, 1.0), inner_optimiser=inner_optimiser
    )
    env_rng, learner_rng = np.random.default_rng(3).spawn(3)[1:]  # the first draws the tasks
    envs = goal_line((TASK,), 4, int(env_rng.integers(2**31)), "stay")
    space, actions = envs.single_observation_space, envs.single_action_space
    plain = lab.make_learner(space, actions, seed=int(learner_rng.integers(2**31)))
    for update in range(12):
        if update % 3 == 0:
            plain.restart()
            if inner_optimiser == "fresh":
                plain.reset_optimiser()
        episodes = plain.iteration(envs).episodes
    assert episodes == reptile.episodes[-len(episodes) :]
    for name, weights in plain.weights().items():  # theta + (theta_k - theta) rounds
        torch.testing.assert_close(reptile.policy.weights[name], weights, rtol=1e-5, atol=1e-6)


def test_the_reward_normaliser_goes_on_through_all_tasks(lab, budget):
    counts = [
        state["learner"]["learner"]["reward_scale"]["count"] for _, state in record(pretrain(lab, budget))
    ]
    assert counts == pytest.approx([60, 120, 180, 240], abs=1e-3)


def test_adaptation_is_plain_fine_tuning_from_theta(lab, budget, same):
    *_, theta = pretrain(lab, budget)
    ends = []
    for paradigm in (Reptile, MultiTask):
        start, *_, end = lab.build(paradigm).adapt(theta, TASK, budget(40), np.random.default_rng(1))
        assert same(dict(start.policy.weights), dict(theta.policy.weights))
        ends.append(dict(end.policy.weights))
    assert same(*ends)


def test_envs_that_do_not_move_are_refused(lab, budget):
    class Fixed(gym.vector.VectorWrapper):
        def reset(self, *, seed=None, options=None):
            obs, info = self.env.reset(seed=seed)
            return obs, info if self.told else {}

    for told in (True, False):
        Fixed.told = told
        paradigm = Reptile(lab.make_learner, lambda *args, **options: Fixed(lab.make_envs(*args, **options)))
        with pytest.raises(ValueError, match=r"Fixed did not move to task \d when it was reset"):
            list(paradigm.pretrain(TASKS, budget(4 * OUTER), np.random.default_rng(0)))
        assert lab.envs[-1].closed


def test_envs_that_go_back_to_tasks_of_their_own_are_refused(lab, budget):
    """They move when they are told, and back when the learner resets them with its seed."""

    class Forgetful(gym.vector.VectorWrapper):
        def reset(self, *, seed=None, options=None):
            if seed is not None:
                self.env.task_index = np.arange(self.num_envs) % len(TASKS)
            return self.env.reset(seed=seed, options=options)

    paradigm = Reptile(lab.make_learner, lambda *args, **options: Forgetful(lab.make_envs(*args, **options)))
    with pytest.raises(
        ValueError, match=r"was moved to task \d and played an episode of task \d in the same"
    ):
        list(paradigm.pretrain(TASKS, budget(4 * OUTER), np.random.default_rng(0)))
    assert lab.envs[-1].closed


def test_a_learner_with_a_replay_for_each_task_is_for_the_other_reptile(replay_lab, budget):
    """Its updates would be on all tasks' replays, which is no inner loop; with one task they are on that."""
    with pytest.raises(ValueError, match=r"learns from one task, .* the replays of 3: use .*ReplayReptile"):
        next(pretrain(replay_lab, budget))
    assert replay_lab.envs[-1].closed
    *_, last = pretrain(replay_lab, budget, tasks=(TASK,))
    assert last.spent.updates > 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"eps_schedule": (0.5, 1.1)}, r"eps_schedule=\(0\.5, 1\.1\): give a start and an end from 0 to 1"),
        ({"eps_schedule": (float("nan"), 0)}, "a start and an end"),
        ({"eps_schedule": (0.5,)}, "a start and an end"),
        ({"eps_schedule": 0.5}, "eps_schedule=0.5: give a start and an end"),
        ({"eps_schedule": ("0.5", 0)}, "a start and an end"),
        ({"inner_updates": 0}, "inner_updates=0: give a whole number of at least 1"),
        ({"inner_updates": 2.5}, r"inner_updates=2\.5: give a whole number"),
        ({"meta_batch": 0}, "meta_batch=0: give a whole number of at least 1"),
        ({"meta_batch": float("nan")}, "meta_batch=nan: give a whole number"),
        ({"inner_optimiser": "old"}, "inner_optimiser='old': give 'fresh' or 'kept'"),
    ],
)
def test_bad_values_are_named_with_the_mend(config, message):
    with pytest.raises(ValueError, match=message):
        ReptileConfig(**config)
