"""A learner's capabilities count, not its class: a stand-in with the same ones gives the same bits."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from fvm_learners.rainbow import Rainbow
from fvm_meta import RL2, MultiTask, Reptile, ReptileConfig, RL2Config, Scratch
from fvm_meta.capabilities import (
    HasParts,
    InnerLearner,
    LatentLearner,
    ReplayLearner,
    Sigmas,
    members,
    require,
)
from fvm_meta.paradigm import Transfer
from fvm_meta.pearl import PEARL, PEARLConfig
from fvm_meta.replay_reptile import ReplayReptile

TASKS, TASK = (0, 3, 6), 5


@dataclass
class StandIn:
    """Somebody else's learner: the members that the protocols name, and no more.

    Each goes to a Rainbow that it owns, so that the numbers are known; it is none.
    """

    owned: Rainbow = field(repr=False)

    def __getattr__(self, name: str) -> Any:
        if name in members(LatentLearner) or name in members(InnerLearner):
            return getattr(self.owned, name)
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "owned":
            object.__setattr__(self, name, value)
        else:
            assert name == "updates_due"
            self.owned.updates_due = value


@dataclass
class StandInLab:
    """A lab whose learners are stand-ins."""

    lab: Any

    def make_learner(self, *spaces, seed, **options):
        return StandIn(self.lab.make_learner(*spaces, seed=seed, **options))

    def build(self, paradigm, config=None):
        return paradigm(self.make_learner, self.lab.make_envs, config)


def streams(lab, budget, paradigm, config):
    """Weights and states at the end of a pretraining and of an adaptation, and of both resumed."""
    built = lab.build(paradigm, config)

    def pretrain(resume=None):
        return built.pretrain(TASKS, budget(160), np.random.default_rng(3), resume=resume)

    whole = [(snapshot, snapshot.state()) for snapshot in pretrain()]
    *_, resumed = pretrain(whole[len(whole) // 2][1])
    pretrained = whole[-1][0]
    *_, adapted = built.adapt(pretrained, TASK, budget(64), np.random.default_rng(4))
    return [dict(snapshot.policy.weights) for snapshot in (pretrained, resumed, adapted)]


@pytest.mark.parametrize(
    ("paradigm", "config", "learner"),
    [
        (PEARL, PEARLConfig(), {"latent_size": 3}),
        (PEARL, PEARLConfig(adaptation="both"), {"latent_size": 3}),
        (ReplayReptile, ReptileConfig(inner_updates=3), {}),
        (MultiTask, None, {}),
    ],
)
def test_a_stand_in_with_the_same_capabilities_gives_the_same_bits(
    replay_lab, budget, same, paradigm, config, learner
):
    lab = replay_lab.with_config(**learner)
    theirs = streams(StandInLab(lab), budget, paradigm, config)
    ours = streams(lab, budget, paradigm, config)
    assert same(theirs[0], theirs[1])  # resumed as if never stopped
    assert all(same(a, b) for a, b in zip(theirs, ours, strict=True))


def test_a_lack_is_said_in_one_sentence(lab, replay_lab, budget):
    with pytest.raises(
        ValueError, match=r"`ReplayLearner`, and PPO has no collect, copy_to_target, ready_tasks, "
    ):
        next(lab.build(ReplayReptile).pretrain(TASKS, budget(40), np.random.default_rng(0)))
    assert lab.envs[-1].closed

    class Bare:
        """Can do nothing."""

    bare = Reptile(lambda *spaces, **options: Bare(), lab.make_envs, ReptileConfig())
    with pytest.raises(ValueError, match=r"Reptile asks .* and Bare has no .*reset_optimiser, restart"):
        next(bare.pretrain(TASKS, budget(40), np.random.default_rng(0)))
    assert lab.envs[-1].closed


def test_a_part_is_taken_over_by_whoever_has_parts(lab, replay_lab, budget):
    *_, pretrained = replay_lab.build(MultiTask).pretrain(TASKS, budget(160), np.random.default_rng(0))
    paradigm = MultiTask(
        replay_lab.make_learner, replay_lab.make_envs, transfer=Transfer(parts="encoder", frozen=True)
    )
    *_, adapted = paradigm.adapt(pretrained, TASK, budget(160), np.random.default_rng(1))
    for name, before in pretrained.policy.weights.items():
        assert torch.equal(adapted.policy.weights[name], before) == name.startswith("encoder.")


def test_require_gives_the_learner_back_or_names_what_to_do():
    class Restarts:
        """Restarts, and keeps its optimiser."""

        def restart(self):
            """Nothing to restart."""

    lacking = ", ".join(set(members(InnerLearner)) - {"restart"})
    assert "reset_optimiser" in lacking
    with pytest.raises(ValueError, match=r"^X asks, and Restarts has no .*reset_optimiser.*: take another$"):
        require(Restarts(), InnerLearner, "X asks", "take another")

    class Sets:
        """What `Sigmas` asks for."""

        def reset_sigmas(self):
            """Nothing to reset."""

    learner = Sets()
    assert require(learner, Sigmas, "X asks") is learner
    assert set(members(ReplayLearner)) == set(members(LatentLearner))
    assert "freeze" in members(HasParts)


def test_each_paradigm_has_a_name_and_a_version_of_its_own():
    kinds = (Scratch, MultiTask, Reptile, ReplayReptile, RL2, PEARL)
    assert len({kind.name for kind in kinds}) == len(kinds)
    assert all("name" in vars(kind) and "version" in vars(kind) for kind in kinds)
    assert all(kind.version >= 1 for kind in kinds)


def test_the_others_play_as_they_are(lab, replay_lab, budget):
    for paradigm, builder in ((MultiTask, lab), (ReplayReptile, replay_lab)):
        built = builder.build(paradigm)
        *_, last = built.pretrain(TASKS, budget(160), np.random.default_rng(0))
        assert built.player(last, TASKS[0], np.random.default_rng(0)) is last.policy
        assert built.trials == 1
    assert lab.build(RL2, RL2Config(trials=3)).trials == 3
