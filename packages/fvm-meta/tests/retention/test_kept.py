"""The retentions of one adaptation: each is told once, states are played once and counted."""

import numpy as np
import pytest
import torch
from fvm_meta import RL2, MultiTask, RL2Config
from fvm_meta.pearl import PEARL, PEARLConfig
from fvm_meta.retention import Retention
from fvm_meta.retention.kept import Kept, LookBack

TASKS = (0, 3, 6)


class Told(Retention):
    """Notes in which order it is told what, and asks for states."""

    def __init__(self, name, nums):
        super().__init__()
        self.name, self.nums, self.events, self.states = name, nums, [], []

    def make(self):
        return self

    def before(self, learner):
        self.events.append("before")

    def prepare(self, learner, snapshot, play):
        self.events.append("prepare")
        self.states = [play(num) for num in self.nums]


@pytest.fixture
def make_envs(lab):
    return lambda seed: lab.make_envs(TASKS, seed=seed, on_episode_end="resample")


@pytest.fixture
def learner(lab, make_envs):
    envs = make_envs(0)
    return lab.make_learner(envs.single_observation_space, envs.single_action_space, seed=0)


def test_states_of_one_number_are_played_once_and_steps_are_counted(
    lab, make_envs, learner, budget, pretrained
):
    one, other = Told("one", [8, 16]), Told("other", [16])
    kept = Kept([one, other], pretrained(lab), make_envs)
    made = len(lab.envs)
    kept.before(learner)
    kept.prepare(learner, np.random.default_rng(0))
    assert [hook.events for hook in kept.hooks] == [["before", "prepare"]] * 2
    assert one.states[1] is other.states[0]
    assert [len(states) for states in one.states] == [8, 16]
    assert kept.env_steps == 8 + 16
    played = lab.envs[made:]
    assert [envs.steps_taken for envs in played] == [8, 16]
    assert all(envs.closed for envs in played)


@pytest.mark.parametrize(("name", "taken"), [("ppo", 12), ("memory", 64), ("rainbow", 12)])
def test_what_was_stepped_counts_be_it_more_than_was_asked_for(labs, make_envs, pretrained, name, taken):
    lab = labs[name]  # of 4 envs: whole rows, with memory whole sequences of 16 steps
    envs = make_envs(0)
    learner = lab.make_learner(envs.single_observation_space, envs.single_action_space, seed=0)
    kept = Kept([Told("told", [10])], pretrained(lab), make_envs)
    kept.prepare(learner, np.random.default_rng(0))
    assert kept.env_steps == taken == len(kept.hooks[0].states[0]) * (16 if name == "memory" else 1)


def test_the_same_generator_shows_the_same_states_and_a_learner_s_own_draws_stay(
    lab, make_envs, learner, pretrained
):
    last, seen = pretrained(lab), []
    for _ in range(2):
        told = Told("told", [12])
        Kept([told], last, make_envs).prepare(learner, np.random.default_rng(3))
        seen.append(told.states[0].obs)
    assert torch.equal(*seen)
    rng, untouched = np.random.default_rng(3), np.random.default_rng(3)
    Kept([Told("told", [12])], last, make_envs).prepare(learner, rng)
    assert rng.integers(2**31) == untouched.integers(2**31)  # it spawns, and draws nothing


def test_without_retentions_nothing_is_spawned_and_no_envs_are_made(lab, make_envs, learner, pretrained):
    last, rng = pretrained(lab), np.random.default_rng(0)
    made = len(lab.envs)
    kept = Kept([], last, make_envs)
    kept.prepare(learner, rng)
    assert (kept.hooks, kept.env_steps, len(lab.envs)) == ((), 0, made)
    assert rng.bit_generator.seed_seq.n_children_spawned == 0


def test_envs_are_closed_if_they_fail(lab, learner, pretrained):
    envs = lab.make_envs(TASKS, seed=0, on_episode_end="resample")
    envs.step = lambda actions: (_ for _ in ()).throw(RuntimeError("the game broke"))
    kept = Kept([Told("told", [8])], pretrained(lab), lambda seed: envs)
    with pytest.raises(RuntimeError, match="the game broke"):
        kept.prepare(learner, np.random.default_rng(0))
    assert envs.closed
    assert kept.env_steps == 0


def test_what_cannot_be_kept_is_said_at_once(lab, budget, pretrained, make_envs):
    with pytest.raises(ValueError, match=r"one, two keeps what a pretrained agent knows.*retain=\(\)"):
        Kept([Told("one", []), Told("two", [])], None, make_envs)
    with pytest.raises(ValueError, match="retentions one, one are to be different ones"):
        Kept([Told("one", []), Told("one", [])], pretrained(lab), make_envs)
    assert Kept([], None, make_envs).hooks == ()
    assert isinstance(lab.build(MultiTask), MultiTask)


@pytest.mark.parametrize("name", ["rl2", "pearl"])
def test_what_an_agent_found_out_of_another_task_does_not_show_where_it_looks_back(labs, budget, same, name):
    """A snapshot of an adaptation begins with its memory, or plays with its latent."""
    lab = labs["memory"] if name == "rl2" else labs["rainbow"].with_config(latent_size=3)
    config = RL2Config(trials=3) if name == "rl2" else PEARLConfig()
    paradigm = lab.build(RL2 if name == "rl2" else PEARL, config)
    *_, pretrained = paradigm.pretrain(TASKS, budget(160), np.random.default_rng(0))
    *_, lived = paradigm.adapt(pretrained, 5, budget(40), np.random.default_rng(1), at=(40,))
    carried = lived.policy.memory.state if name == "rl2" else lived.policy.latent.mean
    assert carried.abs().max() > 0

    def looked(policy):
        options = {"trials": 3} if name == "rl2" else {}
        network = lab.learners[-1].policy

        def make_envs(seed):
            return lab.make_envs(TASKS, seed=seed, on_episode_end="resample", **options)

        return vars(LookBack(policy, make_envs, 7, network)(256))

    assert same(looked(lived.policy), looked(pretrained.policy))
