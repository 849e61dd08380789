"""What a frozen policy leaves in a protected replay, and what Rainbow's batches take of it."""

import numpy as np
import pytest
import torch
from fvm_learners.rainbow.protecting import played
from fvm_learners.replay.protected import PROTECTED
from gymnasium.vector import AutoresetMode


def test_every_step_is_a_transition_as_the_learner_itself_would_keep_it(scripted, make, transitions):
    """Episodes of 4 (terminated), 2 (cut, its last observation seen) and 5 steps; reward slot + step / 10."""

    def script():
        return scripted(AutoresetMode.SAME_STEP, num_envs=2, lengths=(4, 2, 5), truncated=(1,))

    envs = script()
    rainbow = make(envs, encoder="mlp", n_step=3, discount=0.5, reward_clip=None, learn_start=300)
    replay = played(rainbow.frozen_policy(), script(), 21, 0, rainbow.policy, rainbow.config, rainbow.device)
    assert replay.num_transitions == 22  # 21 rounded up to rows of two
    rainbow.collect(envs, 11)
    kept, own = ({tuple(obs): rest for obs, *rest in transitions(r)} for r in (replay, rainbow.replays[0]))
    assert kept.keys() == own.keys()
    for place, (_, return_, discount, following) in kept.items():
        assert (return_, discount) == (own[place][1], own[place][2])
        assert discount == 0 or following.tolist() == own[place][3].tolist()
    for slot in (0, 1):
        assert kept[slot, 0, 0][1] == pytest.approx(slot * 1.75 + 0.1 + 0.2 / 2 + 0.3 / 4)
        assert kept[slot, 1, 0][2] == pytest.approx(1 / 4)  # cut: two steps to its last observation


def test_steps_that_are_open_at_the_end_lead_to_the_last_observation(scripted, make, transitions):
    envs = scripted(AutoresetMode.SAME_STEP, num_envs=1, lengths=(9,), truncated=())
    rainbow = make(envs, encoder="mlp", n_step=3, discount=0.5, reward_clip=None, learn_start=300)
    replay = played(rainbow.frozen_policy(), envs, 4, 0, rainbow.policy, rainbow.config, rainbow.device)
    found = {tuple(obs): rest for obs, *rest in transitions(replay)}
    assert len(found) == 4
    _, return_, discount, following = found[0, 0, 3]
    assert (return_, discount) == (pytest.approx(0.4), 0.5)
    assert following.tolist() == [0, 0, 4]


def test_batches_have_the_share_whatever_is_collected_and_nothing_of_it_is_overwritten(catch, make):
    envs = catch(num_envs=2)
    rainbow = make(envs, learn_start=20, batch_size=8, replay_capacity=60, n_step=2)
    rainbow.protect(rainbow.frozen_policy(), catch(num_envs=2), 30, 0.25, 7)
    assert rainbow.env_step == 0
    kept = rainbow.protected.replay
    rows = np.flatnonzero(kept._tree.priorities > 0)
    before = kept.transitions(rows)
    assert len(rows) == 30
    shares = []
    make_batch = rainbow.sampler.batch

    def watched(learner, rng):
        batch = make_batch(learner, rng)
        shares.append(int((batch.task_index == PROTECTED).sum()))
        return batch

    rainbow.sampler.batch = watched
    for _ in range(15):
        rainbow.iteration(envs)
    assert rainbow.replays[0].env_steps > 2 * 60  # its ring went round
    assert len(shares) > 20
    assert set(shares) == {2}
    after = kept.transitions(rows)
    assert all(torch.equal(getattr(before, n), getattr(after, n)) for n in ("obs", "action", "return_"))
    assert set(kept._tree.priorities[rows]) == {1.0}


def test_the_same_seed_protects_the_same_steps(catch, make):
    envs = catch(num_envs=2)
    rainbow = make(envs, learn_start=20, batch_size=8)
    kept = []
    for seed in (3, 3, 4):
        rainbow.protect(rainbow.frozen_policy(), catch(num_envs=2), 24, 0.5, seed)
        kept.append(rainbow.protected.replay.state_dict()["frames"]["frames"])
    assert torch.equal(kept[0], kept[1])
    assert not torch.equal(kept[0], kept[2])


def test_a_latent_that_nobody_knows_is_refused(catch, make):
    envs = catch(num_envs=2)
    rainbow = make(envs, latent_size=2)
    with pytest.raises(ValueError, match="a protected share of the replay has no latents"):
        rainbow.protect(rainbow.frozen_policy(), envs, 24, 0.5, 0)
