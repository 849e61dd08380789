"""Every off-policy paradigm carries C2F-ARM over without knowing it by name, demonstrations included."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from fvm_envs import make_vec
from fvm_envs.manipulation import ObservationConfig, get_demos
from fvm_learners.c2f_arm import C2FARM, CPU, Demonstration
from fvm_meta.multitask import MultiTask
from fvm_meta.pearl import PEARL, PEARLConfig
from fvm_meta.replay_reptile import ReplayReptile
from fvm_meta.reptile import ReptileConfig
from fvm_meta.retention import BCConfig, DriftConfig, EMConfig, EWCConfig, KSConfig
from fvm_meta.scratch import Scratch

torch.set_num_threads(1)

TASKS = ("rlbench/reach_target/0", "rlbench/reach_target/1")
HELD_OUT = "rlbench/reach_target/5"
PICTURES = {"point_cloud": False, "image_size": 32}
TINY = replace(
    CPU,
    channels=8,
    grid_sizes=(8, 8),
    batch_size=4,
    replay_capacity=400,
    num_steps=3,
    exploration="noise",
    cached_targets=False,
    context_hidden_size=16,
    context_demonstrations=True,
)


@dataclass(frozen=True)
class Budget:
    env_steps: int


def shown(task):
    name, variation = task.split("/")[1:]
    config = ObservationConfig(point_cloud=False, image_size=(32, 32))
    return [
        Demonstration.of(demo)
        for demo in get_demos(name, 1, seed=3, variation=int(variation), keyframes="merged", config=config)
    ]


def make_envs(tasks, *, seed, on_episode_end, **options):
    return make_vec(tasks, num_envs=2, seed=seed, on_episode_end=on_episode_end, **PICTURES)


def make_learner(config, observation_space, action_space, *, seed, **options):
    return C2FARM(observation_space, action_space, config, seed=seed, **options)


PARADIGMS = {
    "multitask": (MultiTask, None, TINY),
    "reptile": (ReplayReptile, ReptileConfig(inner_updates=2), TINY),
    "pearl": (PEARL, PEARLConfig(context_size=2, context_window=4), replace(TINY, latent_size=3)),
}


def run(stream):
    snapshots = list(stream)
    assert snapshots[-1].env_step == 12
    return snapshots


@pytest.mark.parametrize("name", PARADIGMS)
def test_pretrained_and_adapted_with_a_demonstration(name):
    kind, settings, config = PARADIGMS[name]
    paradigm = kind(partial(make_learner, config), make_envs, settings)
    each = [shown(task) for task in TASKS]
    pretrained = run(paradigm.pretrain(TASKS, Budget(12), np.random.default_rng(0), demos=each))[-1]
    assert pretrained.spent.updates > 0
    assert pretrained.spent.demos == len(TASKS)
    adapted = run(
        paradigm.adapt(pretrained, HELD_OUT, Budget(12), np.random.default_rng(1), demos=shown(HELD_OUT))
    )
    assert adapted[-1].spent.demos == adapted[0].spent.demos == 1
    weights = [snapshot.policy.weights for snapshot in (pretrained, adapted[-1])]
    changed = any(not torch.equal(one, weights[1][part]) for part, one in weights[0].items())
    assert changed == (name != "pearl")  # PEARL adapts by its context alone
    if name == "pearl":
        latents = [snapshot.policy.latent for snapshot in adapted]
        assert latents[0].mean.abs().sum() > 0  # of the demonstration, before any step


def test_from_scratch_with_a_demonstration_it_goes_on_bit_for_bit():
    def stream(resume=None):
        scratch = Scratch(partial(make_learner, TINY), make_envs)
        rng = np.random.default_rng(1)
        return scratch.adapt(None, HELD_OUT, Budget(12), rng, demos=shown(HELD_OUT), resume=resume)

    through, cut = list(stream()), stream()
    state = [next(cut) for _ in range(2)][-1].state()
    cut.close()
    resumed = list(stream(state))
    assert resumed[-1].spent == through[-1].spent
    for part, value in through[-1].policy.weights.items():
        assert torch.equal(value, resumed[-1].policy.weights[part]), part


def test_an_agent_of_other_bounds_is_not_taken_over():
    """Its weights have the same shapes; each would take the other's voxels for other places."""
    scratch = Scratch(partial(make_learner, TINY), make_envs)
    stream = scratch.adapt(None, HELD_OUT, Budget(12), np.random.default_rng(1), demos=shown(HELD_OUT))
    snapshot = next(stream)
    stream.close()
    moved = replace(TINY, bounds=(-0.3, -0.5, 0.6, 0.7, 0.5, 1.7))
    other = MultiTask(partial(make_learner, moved), make_envs)
    with pytest.raises(ValueError, match=r"this policy is of another agent, made with bounds=\(-0\.3"):
        next(other.adapt(snapshot, HELD_OUT, Budget(12), np.random.default_rng(1)))


KEPT = (
    BCConfig(coef=1.0, states=8, batch_size=4),
    KSConfig(coef=1.0, decay=0.9),
    EWCConfig(coef=1.0, states=2),
    EMConfig(transitions=6, share=0.25),
    DriftConfig(every=2),
)


def test_it_keeps_what_it_knew_and_goes_on_bit_for_bit():
    pretrained = run(
        MultiTask(partial(make_learner, TINY), make_envs).pretrain(
            TASKS, Budget(12), np.random.default_rng(0), demos=[shown(task) for task in TASKS]
        )
    )[-1]

    def stream(retain, resume=None):
        paradigm = MultiTask(partial(make_learner, TINY), make_envs, retain=retain, retained_tasks=TASKS)
        return paradigm.adapt(
            pretrained,
            HELD_OUT,
            Budget(12),
            np.random.default_rng(1),
            demos=shown(HELD_OUT),
            resume=resume,
        )

    kept, cut = list(stream(KEPT)), stream(KEPT)
    assert {"bc/kl", "ks/kl", "ewc/distance", "drift/kl"} <= kept[1].metrics.keys()
    assert kept[-1].metrics["bc/kl"] > 0
    assert kept[-1].spent.retention_env_steps == 32 + 8 + 2 + 6  # the temperature's, BC's, the Fisher's, EM's
    plain = list(stream(()))[-1].policy.weights
    weights = kept[-1].policy.weights
    assert any(not torch.equal(plain[part], weights[part]) for part in plain)
    state = [next(cut) for _ in range(2)][-1].state()
    cut.close()
    resumed = list(stream(KEPT, state))[-1].policy.weights
    for part, value in weights.items():
        assert torch.equal(value, resumed[part]), part
