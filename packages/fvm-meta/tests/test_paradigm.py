"""The base of all paradigms: what fine-tuning takes over, zero-shot streams, agents, and clear refusals."""

from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_meta import RL2, MultiTask, Paradigm, Reptile, ReptileConfig, RL2Config, Scratch, Spent
from fvm_meta.paradigm import Transfer

TASKS, TASK = (0, 3, 6), 5


@pytest.fixture
def known(lab, budget):
    *_, last = lab.build(MultiTask).pretrain(TASKS, budget(40), np.random.default_rng(0))
    return last


class Parted:
    """A learner of parts that notes what is done to it."""

    part_names = ("encoder", "head")

    def __init__(self):
        self.events = []

    def load_weights(self, weights, only=None):
        self.events.append(("load", only))

    def freeze(self, *parts):
        self.events.append(("freeze", *parts))

    def unfreeze(self, *parts):
        self.events.append(("unfreeze", *parts))

    def reset_parts(self, *parts):
        self.events.append(("reset", *parts))

    def reset_sigmas(self):
        self.events.append(("sigmas",))


@pytest.mark.parametrize(
    ("transfer", "events"),
    [
        (Transfer(), [("load", None)]),
        (Transfer(parts="encoder"), [("load", "encoder")]),
        (Transfer(frozen=True), [("load", None), ("freeze", "encoder")]),
        (
            Transfer(parts="encoder", frozen=True, reset_sigmas=True),
            [("load", "encoder"), ("freeze", "encoder"), ("sigmas",)],
        ),
    ],
)
def test_a_transfer_does_what_it_says_and_no_more(transfer, events):
    learner = Parted()
    transfer.load(learner, {})
    assert learner.events == events


def test_a_learner_without_parts_gives_all_or_a_sentence():
    plain = SimpleNamespace(load_weights=lambda weights: None)
    Transfer().load(plain, {})
    for transfer in (Transfer(parts="encoder"), Transfer(frozen=True), Transfer(reset_sigmas=True)):
        with pytest.raises(ValueError, match=r"let it take over all parameters as they are, Transfer\(\)"):
            transfer.load(plain, {})


def test_the_encoder_alone_is_taken_over_and_the_rest_is_drawn_anew(lab, budget, known):
    paradigm = MultiTask(lab.make_learner, lab.make_envs, transfer=Transfer(parts="encoder", frozen=True))
    start, *_, end = paradigm.adapt(known, TASK, budget(40), np.random.default_rng(1))
    fresh = next(lab.build(Scratch).adapt(None, TASK, budget(40), np.random.default_rng(1)))
    for name, tensor in start.policy.weights.items():
        source = known if name.startswith("encoder.") else fresh
        assert torch.equal(tensor, source.policy.weights[name]), name
        if name.startswith("encoder."):
            assert torch.equal(end.policy.weights[name], tensor)


def test_zero_shot_is_the_pretrained_agent_at_every_step_and_costs_nothing(lab, known):
    paradigm = lab.build(Paradigm)
    stream = list(paradigm.zero_shot(known, at=(40, 0, 20, 20)))
    assert [snapshot.env_step for snapshot in stream] == [0, 20, 40]
    assert all(s.policy is known.policy and s.spent == Spent() for s in stream)
    rest = list(paradigm.zero_shot(known, at=(40, 0, 20), resume=stream[0].state()))
    assert [snapshot.env_step for snapshot in rest] == [20, 40]
    assert list(paradigm.zero_shot(known, at=(40, 0, 20), resume=stream[-1].state())) == []


def test_the_base_pretrains_nothing_plays_as_it_is_and_adapts_by_fine_tuning(lab, budget, known):
    paradigm = lab.build(Paradigm)
    assert list(paradigm.pretrain(TASKS, budget(40), np.random.default_rng(0))) == []
    assert paradigm.player(known, 0, np.random.default_rng(0)) is known.policy
    assert (paradigm.trials, paradigm.config) == (1, None)
    ours = list(paradigm.adapt(known, TASK, budget(40), np.random.default_rng(1)))[-1]
    multitask = list(lab.build(MultiTask).adapt(known, TASK, budget(40), np.random.default_rng(1)))[-1]
    weights = multitask.policy.weights
    assert all(torch.equal(ours.policy.weights[name], weights[name]) for name in weights)


def test_an_agent_asks_for_a_stream_first_and_for_what_its_learner_says_of_itself(lab, budget, known):
    with pytest.raises(ValueError, match="no learner was made yet: ask for an agent after the stream"):
        lab.build(MultiTask).agent(known)
    paradigm = lab.build(MultiTask)
    *_, adapted = paradigm.adapt(known, TASK, budget(20), np.random.default_rng(1))
    agent = paradigm.agent(adapted)
    obs, _ = lab.envs[-1].reset(seed=0)
    actions, _ = agent.predict(obs)
    assert actions.shape == (4,)

    class Nameless(type(lab)):
        def make_learner(self, *args, **options):
            learner = super().make_learner(*args, **options)
            learner.name = None
            return learner

    paradigm = Nameless().build(MultiTask)
    list(paradigm.pretrain(TASKS, budget(20), np.random.default_rng(0)))
    with pytest.raises(ValueError, match=r"the learner has no name, .*fvm_learners.Agent\(policy"):
        paradigm.agent(known)


def test_a_single_env_is_refused_with_the_way_to_a_vector_of_them(lab, budget):
    paradigm = MultiTask(lab.make_learner, lambda tasks, **options: gym.make("CartPole-v1"))
    with pytest.raises(TypeError, match="vector"):
        next(paradigm.pretrain(TASKS, budget(20), np.random.default_rng(0)))


def test_a_learner_that_makes_batches_of_its_own_is_refused_where_a_paradigm_brings_a_sampler(lab):
    """Two samplers cannot both choose a batch: the one that was passed on must be the one it has."""

    def make_learner(*spaces, sampler, **options):
        learner = lab.make_learner(*spaces, **options)
        learner.sampler = "its own"
        return learner

    paradigm = Paradigm(make_learner, lab.make_envs)
    with pytest.raises(ValueError, match="and the learner has another, str: let make_learner pass on"):
        paradigm.start(TASKS, np.random.default_rng(0), "stay", sampler=object())
    assert lab.envs[-1].closed
    learner, envs = paradigm.start(TASKS, np.random.default_rng(0), "stay")
    assert learner.sampler == "its own"
    envs.close()


@pytest.mark.parametrize("transfer", [Transfer(parts="encoder"), Transfer(frozen=True)])
def test_nothing_is_taken_over_where_there_is_nothing_to_take_it_from(lab, budget, transfer):
    for paradigm in (Scratch, MultiTask):
        stream = paradigm(lab.make_learner, lab.make_envs, transfer=transfer)
        with pytest.raises(ValueError, match=r"Transfer\(.* is taken over of a pretrained agent, and none"):
            next(stream.adapt(None, TASK, budget(20), np.random.default_rng(1)))
    assert lab.envs == []


@pytest.mark.parametrize(
    ("paradigm", "config", "takes"),
    [
        (MultiTask, RL2Config(trials=3), "MultiTask: it takes none"),
        (RL2, ReptileConfig(), "RL2: it takes RL2Config"),
        (Reptile, {"eps_schedule": (1.0, 0.0)}, "Reptile: it takes ReptileConfig"),
    ],
)
def test_a_config_of_another_paradigm_is_no_config(lab, paradigm, config, takes):
    """`adapt(agent, envs, task, steps, config=RL2Config())` fine-tuned, without a word."""
    with pytest.raises(TypeError, match=rf"says nothing to {takes}"):
        paradigm(lab.make_learner, lab.make_envs, config)


def test_a_paradigm_of_ones_own_may_take_a_config_of_any_class(lab):
    """The README's has no `Config`; a study asks for one, since it needs defaults."""

    class Own(MultiTask):
        pass

    given = {"beta": 0.1}
    assert Own(lab.make_learner, lab.make_envs, given).config is given
    with pytest.raises(TypeError, match="says nothing to Own: it takes none"):
        Own(lab.make_learner, lab.make_envs, RL2Config())
