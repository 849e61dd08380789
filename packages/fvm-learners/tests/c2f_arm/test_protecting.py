"""What a frozen agent leaves in a protected replay, and what C2F-ARM's batches take of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fvm_learners.c2f_arm import C2FARM
from fvm_learners.c2f_arm.protecting import played
from fvm_learners.replay.protected import PROTECTED
from gymnasium.vector import AutoresetMode


def make(envs, config, **options):
    return C2FARM(
        envs.single_observation_space, envs.single_action_space, config, seed=0, episode_length=3, **options
    )


def steps_of(replay):
    """Every transition by its frame (picture, time): action, reward, done, the frame that follows."""
    rows = np.flatnonzero(replay._tree.priorities > 0)
    moves, found = replay.transitions(rows), {}
    before, after = replay.views(moves.frame), replay.views(moves.next_frame)
    for i in range(len(rows)):
        led_to = None if moves.done[i] else (float(moves.next_time[i]), after.rgb[i].tobytes())
        found[before.rgb[i].tobytes(), float(moves.time[i])] = (
            moves.action[i].tolist(),
            float(moves.reward[i]),
            bool(moves.done[i]),
            led_to,
        )
    return found


@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_every_step_is_a_transition_as_the_learner_itself_would_keep_it(ball, tiny, mode, reuse):
    """Untrained, without exploration, on the same envs: 18 steps of episodes of 3, cut with the last seen."""
    agent = make(ball(mode=mode), replace(tiny, learn_start=1000))
    kept = played(agent.frozen_policy(), ball(mode=mode, reuse=reuse), 17, 11, agent.config, agent.eye)
    own = ball(mode=mode)
    own_reset = own.reset
    own.reset = lambda *, seed=None, options=None: own_reset(
        seed=11 if seed is not None else None, options=options
    )
    agent.collect(own, 9)
    steps = steps_of(kept)
    assert steps == steps_of(agent.replays[0])
    waiting = 4 if mode is AutoresetMode.NEXT_STEP else 0  # two resets a slot, which are no steps
    assert len(steps) == kept.num_transitions == 18 - waiting
    assert all(following is not None for *_, done, following in steps.values() if not done)


def test_batches_have_the_share_whatever_is_collected_and_nothing_of_it_is_overwritten(ball, demos, tiny):
    envs = ball()
    agent = make(envs, replace(tiny, replay_capacity=60, updates_per_env_step=0.5))
    agent.add_demonstrations(demos(1))
    agent.protect(agent.frozen_policy(), ball(), 12, 0.25, 7)
    assert agent.env_step == 0
    kept = agent.protected.replay
    before = steps_of(kept)
    assert len(before) == 12
    seen = []
    batch_of = agent.sampler.batch

    def watched(learner, rng):
        seen.append(batch_of(learner, rng))
        return seen[-1]

    agent.sampler.batch = watched
    while agent.replays[0].env_steps < 2 * 60:  # its ring goes round
        agent.iteration(envs)
    assert len(seen) > 20
    assert {int((batch.task_index == PROTECTED).sum()) for batch in seen} == {2}  # of 8
    assert steps_of(kept) == before
    assert {float(p) for p in kept._tree.priorities if p > 0} == {1.0}
    shown = kept.views(kept.transitions(np.flatnonzero(kept._tree.priorities > 0)).frame).low_dim
    for batch in seen:
        own = torch.from_numpy(batch.task_index == PROTECTED)
        assert {tuple(row) for row in batch.scene.low_dim[own].tolist()} <= {tuple(r) for r in shown.tolist()}


def test_a_share_changes_the_weights_and_it_resumes_bit_for_bit(ball, demos, tiny):
    def agent_of(share):
        agent = make(ball(), tiny)
        if share:
            agent.protect(agent.frozen_policy(), ball(), 12, share, 7)
        return agent

    ends = []
    for share in (0.0, 0.25):
        agent = agent_of(share)
        agent.add_demonstrations(demos(2))
        for _ in range(4):
            agent.update()
        state = agent.state_dict()
        assert len(state["replays"]) == 1  # what is protected is in no state
        for _ in range(14):
            agent.update()
        other = agent_of(share)
        other.load_state_dict(state)
        for _ in range(14):
            other.update()
        ends.append(agent.weights())
        assert all(torch.equal(tensor, ends[-1][name]) for name, tensor in other.weights().items())
    assert not all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())


def test_the_same_seed_protects_the_same_steps_and_values_of_others_are_forgotten(ball, demos, tiny):
    agent = make(ball(), tiny)
    agent.add_demonstrations(demos(2))
    kept, policy = [], agent.frozen_policy()
    for seed in (3, 3, 4):
        agent.protect(policy, ball(), 6, 0.5, seed)
        assert len(agent._values) == 0
        agent.update()
        assert len(agent._values) > 0
        kept.append(steps_of(agent.protected.replay))
    assert kept[0] == kept[1]
    assert kept[0] != kept[2]


def test_what_cannot_be_protected_is_refused(ball, tiny):
    agent = make(ball(), tiny)
    with pytest.raises(ValueError, match=r"a share of 0\.01 of batches of 8 is 0 transitions"):
        agent.protect(agent.frozen_policy(), ball(), 6, 0.01, 0)
    told = replace(tiny, latent_size=2, cached_targets=False)
    pearl = make(ball(), told)
    with pytest.raises(ValueError, match="has no latents"):
        pearl.protect(pearl.frozen_policy(), ball(), 6, 0.5, 0)
    other = make(ball(), replace(tiny, grid_sizes=(4, 8)))
    with pytest.raises(ValueError, match="grid"):
        agent.protect(other.frozen_policy(), ball(), 6, 0.5, 0)
