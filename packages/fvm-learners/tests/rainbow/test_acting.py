"""What a learner's slots leave in its replays."""

import numpy as np
import pytest
import torch
from fvm_learners.replay.samplers import prioritised_batch
from gymnasium.vector import AutoresetMode

# ---- collecting


def test_what_the_envs_show_is_what_the_replay_gives(scripted, make, transitions):
    """Episodes of 4 (terminated), 2 (cut, its last observation seen) and 5 steps; reward slot + step / 10."""
    for mode in AutoresetMode:
        envs = scripted(mode, num_envs=2, lengths=(4, 2, 5), truncated=(1,))
        rainbow = make(envs, encoder="mlp", n_step=3, discount=0.5, reward_clip=None, learn_start=300)
        rainbow.collect(envs, 13 if mode is AutoresetMode.NEXT_STEP else 11)
        found = {tuple(obs): rest for obs, *rest in transitions(rainbow.replays[0])}
        for slot in (0, 1):
            reward = {t: slot + t / 10 for t in range(1, 6)}
            expected = {
                (0, 0): (reward[1] + reward[2] / 2 + reward[3] / 4, 1 / 8, (0, 3)),
                (0, 1): (reward[2] + reward[3] / 2 + reward[4] / 4, 0, None),
                (0, 3): (reward[4], 0, None),
                (1, 0): (reward[1] + reward[2] / 2, 1 / 4, (1, 2)),  # to the last observation
                (1, 1): (reward[2], 1 / 2, (1, 2)),
                (2, 1): (reward[2] + reward[3] / 2 + reward[4] / 4, 1 / 8, (2, 4)),
            }
            for (episode, t), (return_, discount, following) in expected.items():
                _, got_return, got_discount, next_obs = found[slot, episode, t]
                assert got_return == pytest.approx(return_)
                assert got_discount == pytest.approx(discount)
                assert following is None or next_obs.tolist() == [slot, *following]
        assert len(found) == 2 * 11 == rainbow.replays[0].num_transitions


def test_a_lost_life_ends_the_return_but_not_the_stack(catch, make, transitions):
    envs = catch(num_envs=1, frames=3, balls=3)
    rainbow = make(envs, frame_stack=3, n_step=2, discount=0.5, learn_start=300)
    shown = [envs.reset(seed=0)[0]]
    actions, life_lost, reward, ended = [], [], [], []
    original = envs.step

    def watched(action):
        out = original(action)
        shown.append(out[0])
        actions.append(action)
        reward.append(out[1][0])
        ended.append(out[2][0])
        life_lost.append(out[4]["life_lost"][0])
        return out

    envs.step = watched
    envs.reset = lambda seed: (shown[0], {})
    rainbow.collect(envs, 60)
    assert sum(life_lost) > 3
    assert sum(ended) > 2
    got = transitions(rainbow.replays[0])
    assert len(got) == (60 if life_lost[-1] or ended[-1] else 58)
    for t, (obs, action, return_, discount, next_obs) in enumerate(got):
        assert np.array_equal(obs, shown[t][0])
        assert action == actions[t]
        done = life_lost[t] or ended[t]
        assert return_ == reward[t] + (0 if done else reward[t + 1] / 2)
        later = done or life_lost[t + 1] or ended[t + 1]
        assert discount == (0 if later else 0.25)
        assert later or np.array_equal(next_obs, shown[t + 2][0])


def test_each_tasks_steps_go_into_its_own_replay(catch, make, transitions):
    envs = catch(num_envs=3, balls=1, tasks=2)
    rainbow = make(envs, num_tasks=2)
    rainbow.collect(envs, 23)
    # Slots 0 and 2 begin with task 0, slot 1 with task 1, and all change every 5 steps.
    assert [replay.env_steps for replay in rainbow.replays] == [10 + 5 + 10 + 5 + 6, 5 + 10 + 5 + 10 + 3]
    for replay in rainbow.replays:
        assert replay.num_transitions > 20
        assert {float(discount) for *_, discount, _ in transitions(replay)} == {0.0, np.float32(0.99**3)}


def test_rewards_are_clipped_for_learning_and_not_in_returns(recall, make, transitions):
    envs = recall(num_envs=4, delay=0)
    rainbow = make(envs, encoder="mlp", reward_clip=0.25)
    episodes = rainbow.collect(envs, 10)
    assert {episode.return_ for episode in episodes} == {0.0, 1.0}
    assert {float(return_) for _, _, return_, *_ in transitions(rainbow.replays[0])} == {0.0, 0.25}
    assert [episode.env_step for episode in episodes[-4:]] == [40] * 4


def test_it_acts_greedily_with_another_noise_for_each_slot(recall, make, transitions):
    envs = recall(num_envs=64, delay=0)
    for sigma, several in ((0.0, False), (5.0, True)):
        rainbow = make(envs, encoder="mlp", noisy_sigma=sigma, replay_capacity=10_000)
        taken = []
        original = envs.step
        envs.step = lambda action: taken.append(action) or original(action)  # noqa: B023
        rainbow.collect(envs, 3)
        envs.step = original
        obs = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
        greedy = rainbow.policy.q_values(obs).argmax(dim=1)
        first = transitions(rainbow.replays[0])
        agree = np.mean([action == greedy[int(o[0] > 0)] for o, action, *_ in first])
        assert (agree < 1) == several
        assert len(first) == 192


# ---- moves


def test_a_moved_slot_starts_afresh_and_its_last_step_is_kept(catch, make, transitions):
    envs = catch(num_envs=3, frames=2, tasks=2)
    rainbow = make(envs, num_tasks=2, frame_stack=2, learn_start=300)
    rainbow.collect(envs, 3)
    before = [replay.env_steps for replay in rainbow.replays]
    seen = envs.stack.copy()
    rainbow.move(envs, [1, 1, 1], np.array([True, False, False]))
    assert rainbow._slots.task_index.tolist() == [1, 1, 0]
    assert rainbow._slots.episode_start.tolist() == [True, False, False]
    # Slot 0's three steps have no third reward and bootstrap from what it saw last.
    moved = transitions(rainbow.replays[0])
    assert len(moved) == 3
    for k, (_, _, return_, discount, next_obs) in enumerate(moved):
        assert (return_, discount) == (0, pytest.approx(0.99 ** (3 - k)))
        assert np.array_equal(next_obs, seen[0])
    others = rainbow.collect(envs, 2)
    assert [replay.env_steps for replay in rainbow.replays] == [before[0] + 2, before[1] + 4]
    (own,) = rainbow.collect(envs, 3)
    assert [(e.length, e.task_index) for e in (*others, own)] == [(5, 1), (5, 0), (5, 1)]


def test_restart_keeps_what_was_learned_of_the_running_episodes(catch, make, transitions):
    envs = catch(num_envs=2)
    rainbow = make(envs, learn_start=300)
    rainbow.collect(envs, 4)
    known = rainbow.replays[0].num_transitions
    rainbow.restart()
    assert rainbow.replays[0].num_transitions == known + 2 * 3
    assert envs.num_resets == 1
    more = catch(num_envs=5)
    rainbow.collect(more, 1)
    assert more.num_resets == 1
    for _, _, _, discount, _ in transitions(rainbow.replays[0]):
        assert discount > 0  # nothing led from one episode into the next


def test_slots_that_move_by_themselves_are_noticed(catch, make):
    envs = catch(num_envs=3, tasks=2)
    rainbow = make(envs, num_tasks=2)
    rainbow.collect(envs, 2)
    envs.reset(options={"tasks": [1, 1, 1], "reset_mask": np.array([True, True, False])})
    with pytest.raises(ValueError, match=r"slots \[0\] changed their task in mid-episode: .* restart\(\)"):
        rainbow.collect(envs, 1)


def test_moving_before_the_first_step_is_refused(catch, make):
    envs = catch(num_envs=1, tasks=2)
    with pytest.raises(ValueError, match=r"no slot has begun to play: move them with envs\.reset"):
        make(envs, num_tasks=2).move(envs, [1], np.array([True]))


def test_a_move_to_a_task_without_a_replay_is_refused(catch, make):
    envs = catch(num_envs=2, tasks=3)
    rainbow = make(envs, num_tasks=3)
    rainbow.collect(envs, 1)
    del rainbow.replays[2]
    with pytest.raises(ValueError, match=r"play task 2 .* replays for 2, counted from 0"):
        rainbow.move(envs, [2, 2], np.array([True, True]))


# ---- the authors' switches


def test_shifted_transitions_hold_the_action_and_outcome_that_led_to_the_observation(
    catch, make, transitions
):
    """As B1 of the deviations: (s_t, a_{t-1}, r_{t-1}, done_{t-1}), the end beside the next first frame."""
    stored = {}
    for shifted in (False, True):
        envs = catch(num_envs=1)
        rainbow = make(envs, shifted_transitions=shifted, n_step=1, learn_start=300)
        rainbow.collect(envs, 21)
        stored[shifted] = transitions(rainbow.replays[0])
    right, wrong = stored[False], stored[True]
    assert {float(r) for _, _, r, *_ in right} == {float(r) for _, _, r, *_ in wrong}
    for t in range(1, 20):
        assert np.array_equal(right[t][0], wrong[t][0])  # the same policy saw the same
        assert wrong[t][1:4] == right[t - 1][1:4]
    assert [float(d) == 0 for *_, d, _ in right] == [t % 5 == 4 for t in range(len(right))]
    assert [float(d) == 0 for *_, d, _ in wrong][:20] == [t % 5 == 0 and t > 0 for t in range(20)]


def test_shifted_transitions_may_end_an_episode_in_another_tasks_replay(catch, make, transitions):
    envs = catch(num_envs=1, tasks=2)
    rainbow = make(envs, num_tasks=2, shifted_transitions=True, n_step=1, learn_start=300)
    rainbow.collect(envs, 11)
    dones = [[float(d) == 0 for *_, d, _ in transitions(replay)] for replay in rainbow.replays]
    # Steps 0-4 are of task 0, 5-9 of task 1, 10 of task 0: the ends at 4 and 9 are stored with 5 and 10. What
    # follows 4 and 9 is of another task, so these have no transition.
    assert dones == [[False] * 4 + [True], [True] + [False] * 3]


# ---- latents


class Counting:
    """A sampler whose n-th latent is n, on every batch's transitions as well."""

    def __init__(self):
        self.asked = []

    def latent(self, policy, replays, task_index, rng):
        first = sum(map(len, self.asked))
        self.asked.append(task_index.tolist())
        return torch.arange(first, first + len(task_index), dtype=torch.float32)[:, None].expand(-1, 2)

    def batch(self, learner, rng):
        own = learner.policy.context_encoder.gaussian.bias[:2]  # so that it gets gradients
        return prioritised_batch(learner, [0], rng, latent=own[None])


def test_a_slot_acts_with_one_latent_an_episode(catch, make):
    envs, sampler = catch(num_envs=3, tasks=2), Counting()
    rainbow = make(envs, num_tasks=2, sampler=sampler, latent_size=2, learn_start=300)
    used = []
    q_values = rainbow.policy.q_values
    rainbow.policy.q_values = lambda obs, noise, latent: (
        used.append(latent[:, 0].tolist()) or q_values(obs, noise, latent)
    )
    rainbow.collect(envs, 5)
    rainbow.move(envs, [1, 1, 1], np.array([False, False, True]))
    rainbow.collect(envs, 2)
    # All begin; after 5 steps all begin the next task; slot 2 is moved to where it was, and begins again.
    assert sampler.asked == [[0, 1, 0], [1, 0, 1]]
    assert used == [[0, 1, 2]] * 5 + [[3, 4, 5]] * 2
    rainbow.move(envs, [1, 1, 1], np.array([False, True, False]))
    rainbow.collect(envs, 1)
    assert sampler.asked[-1] == [1]
    assert used[-1] == [3, 6, 5]


def test_latents_may_be_drawn_at_every_step(catch, make):
    envs, sampler = catch(num_envs=2), Counting()
    make(envs, sampler=sampler, latent_size=2, latent_every_step=True).collect(envs, 4)
    assert sampler.asked == [[0, 0]] * 4


def test_what_a_latent_depends_on_is_trained(catch, make):
    envs, sampler = catch(num_envs=4), Counting()
    rainbow = make(envs, sampler=sampler, latent_size=2)
    before = rainbow.weights()
    list(rainbow.learn(envs, 60))
    after = rainbow.weights()
    bias = "context_encoder.gaussian.bias"
    assert (before[bias][:2] != after[bias][:2]).all()
    assert torch.equal(before["context_encoder.hidden.weight"], after["context_encoder.hidden.weight"])


def test_latents_of_the_running_episodes_are_saved(catch, make, assert_same, filed):
    envs = catch(num_envs=3)
    rainbow = make(envs, sampler=Counting(), latent_size=2)
    rainbow.collect(envs, 3)
    resumed = make(envs, seed=1, sampler=Counting(), latent_size=2)
    resumed.load_state_dict(filed(rainbow.state_dict()))
    assert_same(resumed.state_dict(), rainbow.state_dict())
    assert resumed.state_dict()["slots"]["latent"].tolist() == [[0, 0], [1, 1], [2, 2]]


def test_a_latent_needs_a_sampler_that_gives_it(catch, make):
    envs = catch(num_envs=2)
    with pytest.raises(ValueError, match="latent_size=2 and got no latent: use a sampler that gives one"):
        make(envs, latent_size=2).collect(envs, 1)


def test_some_actions_are_uniform_while_it_learns(catch, make):
    """Of a network without noise: at eps = 0 all are greedy, and nothing is drawn for it."""

    def acted(eps):
        envs = catch(num_envs=400)
        rainbow = make(envs, acting_eps=eps, noisy_sigma=0.0, replay_capacity=10_000)
        rainbow.collect(envs, 1)
        greedy = rainbow.policy.q_values(torch.from_numpy(rainbow._slots.obs)).argmax(dim=1).numpy()
        before = rainbow._rng.bit_generator.state
        action = rainbow._act(rainbow._slots)
        return action, greedy, rainbow._rng.bit_generator.state != before

    action, greedy, drawn = acted(0.0)
    assert (action == greedy).all()
    assert not drawn
    action, _, drawn = acted(1.0)
    assert np.allclose(np.bincount(action, minlength=3) / 400, 1 / 3, atol=0.08)
    assert drawn
    action, greedy, _ = acted(0.3)
    assert (action != greedy).mean() == pytest.approx(0.2, abs=0.06)
