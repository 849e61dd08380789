import copy
import json
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from fvm_learners import Rainbow, RainbowConfig
from fvm_learners.gradient_step import GradientStep
from gymnasium.vector import AutoresetMode

TINY = RainbowConfig(
    num_steps=10,
    learn_start=20,
    batch_size=8,
    replay_capacity=300,
    n_step=3,
    num_atoms=11,
    v_min=-2.0,
    v_max=2.0,
    encoder="minatar",
    hidden_size=8,
    mlp_sizes=(8,),
    target_period_updates=7,
    learning_rate=1e-3,
    updates_per_env_step=0.3,
    beta_anneal_env_steps=100,
)


def make(envs, seed=0, num_tasks=1, loss_term=None, sampler=None, **changes):
    return Rainbow(
        envs.single_observation_space,
        envs.single_action_space,
        replace(TINY, **changes),
        seed=seed,
        num_tasks=num_tasks,
        loss_term=loss_term,
        sampler=sampler,
    )


def transitions(replay):
    """(obs, action, return, discount, next obs) of all that may be sampled, in the order of rows."""
    rows = np.flatnonzero(replay._tree.priorities > 0)
    got = replay.transitions(rows)
    return [
        tuple(part[i].numpy() for part in (got.obs, got.action, got.return_, got.discount, got.next_obs))
        for i in range(len(rows))
    ]


# ---- collecting


def test_what_the_envs_show_is_what_the_replay_gives(scripted):
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


def test_a_lost_life_ends_the_return_but_not_the_stack(catch):
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


def test_each_tasks_steps_go_into_its_own_replay(catch):
    envs = catch(num_envs=3, balls=1, tasks=2)
    rainbow = make(envs, num_tasks=2)
    rainbow.collect(envs, 23)
    # Slots 0 and 2 begin with task 0, slot 1 with task 1, and all change every 5 steps.
    assert [replay.env_steps for replay in rainbow.replays] == [10 + 5 + 10 + 5 + 6, 5 + 10 + 5 + 10 + 3]
    for replay in rainbow.replays:
        assert replay.num_transitions > 20
        assert {float(discount) for *_, discount, _ in transitions(replay)} == {0.0, np.float32(0.99**3)}


def test_rewards_are_clipped_for_learning_and_not_in_returns(recall):
    envs = recall(num_envs=4, delay=0)
    rainbow = make(envs, encoder="mlp", reward_clip=0.25)
    episodes = rainbow.collect(envs, 10)
    assert {episode.return_ for episode in episodes} == {0.0, 1.0}
    assert {float(return_) for _, _, return_, *_ in transitions(rainbow.replays[0])} == {0.0, 0.25}
    assert [episode.env_step for episode in episodes[-4:]] == [40] * 4


def test_it_acts_greedily_with_another_noise_for_each_slot(recall):
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


def test_a_moved_slot_starts_afresh_and_its_last_step_is_kept(catch):
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


def test_restart_keeps_what_was_learned_of_the_running_episodes(catch):
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


def test_slots_that_move_by_themselves_are_noticed(catch):
    envs = catch(num_envs=3, tasks=2)
    rainbow = make(envs, num_tasks=2)
    rainbow.collect(envs, 2)
    envs.reset(options={"tasks": [1, 1, 1], "reset_mask": np.array([True, True, False])})
    with pytest.raises(ValueError, match=r"slots \[0\] changed their task in mid-episode: .* restart\(\)"):
        rainbow.collect(envs, 1)


def test_moving_before_the_first_step_is_refused(catch):
    envs = catch(num_envs=1, tasks=2)
    with pytest.raises(ValueError, match=r"no slot has begun to play: move them with envs\.reset"):
        make(envs, num_tasks=2).move(envs, [1], np.array([True]))


# ---- updating


def test_updates_follow_each_row_once_learning_has_started(catch):
    """Ready with step 20, the fifth row of 4: .3 a step is 1.2 a row, 0.2 are carried."""
    envs = catch(num_envs=4)
    rainbow = make(envs)
    rainbow.collect(envs, 4)
    assert (rainbow.ready, rainbow.updates_due) == (False, 0)
    with pytest.raises(ValueError, match="no buffer has 20 env steps yet"):
        rainbow.update()
    rainbow.collect(envs, 1)
    assert (rainbow.ready, rainbow.updates_due) == (True, pytest.approx(1.2))
    rainbow.update()
    assert rainbow.updates_due == pytest.approx(0.2)
    iteration = rainbow.iteration(envs)
    assert (iteration.env_steps, iteration.updates) == (40, 12)
    assert rainbow.updates_due == pytest.approx(0.2)
    assert (rainbow.env_step, rainbow.updates) == (60, 13)


def test_how_iterations_are_cut_changes_nothing(catch, assert_same):
    states = []
    for sizes in ([None, None], [12, 28, 20, 20], [4] * 20):
        envs = catch(num_envs=4)
        rainbow = make(envs)
        iterations = [rainbow.iteration(envs, size) for size in sizes]
        assert sum(i.env_steps for i in iterations) == 80
        states.append(rainbow.state_dict())
    assert_same(states[0], states[1])
    assert_same(states[0], states[2])


def test_the_target_network_is_copied_every_so_many_updates(catch):
    envs = catch(num_envs=4)
    rainbow = make(envs, target_period_updates=3)
    rainbow.collect(envs, 10)
    start = copy.deepcopy(rainbow.target.state_dict())
    for update in range(1, 8):
        rainbow.update()
        same = [
            torch.equal(a, b)
            for a, b in zip(rainbow.target.parameters(), rainbow.policy.parameters(), strict=True)
        ]
        assert all(same) == (update % 3 == 0)
        if update < 3:
            assert all(
                torch.equal(start[name], tensor) for name, tensor in rainbow.target.state_dict().items()
            )


def test_priorities_become_the_losses(catch):
    envs = catch(num_envs=4)
    rainbow = make(envs, batch_size=4)
    rainbow.collect(envs, 10)
    seen = []
    original = rainbow.sampler.batch

    class Watched(type(rainbow.sampler)):
        def batch(self, learner, rng):
            seen.append(original(learner, rng))
            return seen[-1]

    rainbow.sampler = Watched()
    step = rainbow._gradient_step
    losses = []
    rainbow._gradient_step = lambda *inputs: losses.append(step(*inputs)) or losses[-1]
    rainbow.update()
    ((loss, _),) = losses
    expected = np.sqrt(loss.numpy().astype(np.float64))
    last = dict(zip(seen[0].rows.tolist(), expected.tolist(), strict=True))
    for row, priority in last.items():
        assert rainbow.replays[0]._tree.priorities[row] == pytest.approx(priority)


def test_beta_ends_at_1_whatever_the_number_of_buffers(catch):
    for tasks in (1, 2):
        envs = catch(num_envs=4, tasks=tasks)
        rainbow = make(envs, num_tasks=tasks)
        assert rainbow.beta == 0.4
        rainbow.collect(envs, 12)
        assert rainbow.beta == pytest.approx(0.4 + 0.6 * 0.48)
        rainbow.collect(envs, 30)
        assert rainbow.beta == 1


def test_metrics_say_what_happened(catch):
    envs = catch(num_envs=4)
    rainbow = make(envs)
    for iteration in rainbow.learn(envs, 120):
        metrics = iteration.metrics
    assert np.isfinite(list(metrics.values())).all()
    assert metrics.keys() == {
        "cross_entropy", "kl", "q_value", "td_error", "grad_norm", "beta", "replay_transitions"
    }  # fmt: skip
    assert metrics["cross_entropy"] > metrics["kl"] > 0


@pytest.mark.parametrize("shape", ["scalar", "per sample"])
def test_a_loss_term_is_added_outside_of_weights_and_priorities(catch, shape):
    """A large penalty on the value's distance from 1.5 moves the values there."""

    def towards(policy, batch, rng):
        assert isinstance(rng, torch.Generator)
        distance = 100 * (policy.q_values(batch.obs) - 1.5).pow(2).mean(dim=1)
        return distance if shape == "per sample" else distance.mean()

    envs = catch(num_envs=4)
    rainbow = make(envs, loss_term=towards, learning_rate=1e-2, updates_per_env_step=1)
    iterations = list(rainbow.learn(envs, 400))
    assert iterations[-1].metrics["loss_term"] < iterations[0].metrics["loss_term"] / 10
    assert rainbow.policy.q_values(torch.from_numpy(envs.stack)).mean().item() == pytest.approx(1.5, abs=0.2)


def test_a_compiled_loss_is_the_same_loss(catch, monkeypatch):
    """Traced and differentiated ahead of time, without the code generator, which takes half a minute."""
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function: compiled(function, backend="aot_eager"))
    weights = []
    for mode in ("eager", "compile"):
        envs = catch(num_envs=4)
        rainbow = make(envs, update_mode=mode)
        list(rainbow.learn(envs, 60))
        assert rainbow.updates > 5
        weights.append(rainbow.weights())
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], rtol=1e-3, atol=1e-5)


def test_a_graph_is_for_cuda_and_plain_losses(catch):
    with pytest.raises(ValueError, match="update_mode='cuda-graph' on device 'cpu': it needs device='cuda'"):
        make(catch(num_envs=4), update_mode="cuda-graph")


def test_a_step_on_tensors_is_a_step_on_the_batch(catch, assert_same):
    """What a CUDA graph records, without recording it."""
    states = []
    for on_tensors in (False, True):
        envs = catch(num_envs=4)
        rainbow = make(envs)
        if on_tensors:
            rainbow._gradient_step.graph = rainbow._gradient_step._on_tensors
            assert isinstance(rainbow._gradient_step, GradientStep)
        list(rainbow.learn(envs, 80))
        states.append(rainbow.state_dict())
    assert_same(*states)


# ---- the authors' switches


def test_shifted_transitions_hold_the_action_and_outcome_that_led_to_the_observation(catch):
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


def test_shifted_transitions_may_end_an_episode_in_another_tasks_replay(catch):
    envs = catch(num_envs=1, tasks=2)
    rainbow = make(envs, num_tasks=2, shifted_transitions=True, n_step=1, learn_start=300)
    rainbow.collect(envs, 11)
    dones = [[float(d) == 0 for *_, d, _ in transitions(replay)] for replay in rainbow.replays]
    # Steps 0-4 are of task 0, 5-9 of task 1, 10 of task 0: the ends at 4 and 9 are stored with 5 and 10. What
    # follows 4 and 9 is of another task, so these have no transition.
    assert dones == [[False] * 4 + [True], [True] + [False] * 3]


# ---- seeds and state


def test_same_seed_same_bits_and_no_global_rng(catch, assert_same):
    states = []
    for seed, global_seed in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)  # noqa: NPY002
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        envs = catch(num_envs=4)
        rainbow = make(envs, seed=seed)
        list(rainbow.learn(envs, 80))
        states.append(rainbow.state_dict())
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert_same(states[0], states[1])
    assert not torch.equal(states[0]["weights"]["value.weight"], states[2]["weights"]["value.weight"])


KINDS = [
    pytest.param({}, {}, id="plain"),
    pytest.param({"frames": 3, "balls": 2, "tasks": 2, "time_limit": 8}, {"frame_stack": 3}, id="tasks"),
    pytest.param({"balls": 2}, {"shifted_transitions": True}, id="shifted"),
    pytest.param({"balls": 3}, {"replay_capacity": 64}, id="full"),
]


@pytest.mark.parametrize(("env", "config"), KINDS)
def test_resume_equals_uninterrupted(catch, assert_same, env, config):
    envs = catch(num_envs=4, **env)
    tasks = env.get("tasks", 1)
    rainbow = make(envs, num_tasks=tasks, **config)
    rainbow.freeze("encoder")
    for _ in range(4):
        rainbow.iteration(envs, 28)  # mid-episode
    saved = copy.deepcopy((rainbow.state_dict(), envs.state_dict()))
    expected = [rainbow.iteration(envs) for _ in range(3)]
    assert rainbow.updates > 40

    envs2 = catch(num_envs=4, **env)
    resumed = make(envs2, seed=99, num_tasks=tasks, **config)
    resumed.load_state_dict(saved[0])
    envs2.load_state_dict(saved[1])
    assert_same(resumed.state_dict(), saved[0])
    assert [resumed.iteration(envs2) for _ in range(3)] == expected
    assert_same(resumed.state_dict(), rainbow.state_dict())
    assert envs2.num_resets == 0


def test_the_state_is_contiguous_tensors_and_json_and_a_copy(catch, flat, assert_same):
    envs = catch(num_envs=4)
    rainbow = make(envs)
    for _ in range(2):
        state = rainbow.state_dict()
        leaves = flat(state)
        values = {path: leaf for path, leaf in leaves.items() if not isinstance(leaf, torch.Tensor)}
        assert json.loads(json.dumps(values)) == values
        assert all(leaf.is_contiguous() for leaf in leaves.values() if isinstance(leaf, torch.Tensor))
        before = copy.deepcopy(state)
        rainbow.iteration(envs)
        assert_same(state, before)


# ---- weights


def test_weights_go_from_one_learner_to_another(catch, assert_same):
    envs = catch(num_envs=4)
    rainbow, fresh = make(envs), make(envs, seed=1)
    list(rainbow.learn(envs, 80))
    kept = copy.deepcopy(fresh.target.state_dict())
    fresh.load_weights(rainbow.weights(), keep_target=True)
    assert_same(fresh.weights(), rainbow.weights())
    assert_same(dict(fresh.target.state_dict()), dict(kept))
    fresh.load_weights(rainbow.weights())
    assert_same(dict(fresh.target.state_dict()), rainbow.weights())
    assert fresh.updates == 0


def test_the_encoder_alone_may_be_loaded_and_frozen(catch):
    envs = catch(num_envs=4)
    rainbow, fresh = make(envs), make(envs, seed=1, hidden_size=16)
    before = fresh.weights()
    fresh.load_weights(rainbow.weights(), only="encoder")
    for name, tensor in fresh.weights().items():
        assert torch.equal(tensor, (rainbow.weights() if name.startswith("encoder.") else before)[name])
    fresh.freeze("encoder")
    list(fresh.learn(envs, 80))
    for name, tensor in fresh.weights().items():
        trained = not torch.equal(
            tensor, (rainbow.weights() if name.startswith("encoder.") else before)[name]
        )
        assert trained != name.startswith("encoder.")


def test_sigmas_can_be_put_back(catch):
    envs = catch(num_envs=4)
    rainbow = make(envs)
    start = rainbow.weights()
    list(rainbow.learn(envs, 80))
    trained = rainbow.weights()
    rainbow.reset_sigmas()
    for name, tensor in rainbow.weights().items():
        assert torch.equal(tensor, (start if name.endswith("_sigma") else trained)[name])
        assert name.endswith("_sigma") == torch.equal(tensor, start[name])


def test_a_reset_optimiser_takes_the_steps_of_a_fresh_one(catch, assert_same):
    envs = catch(num_envs=4)
    rainbow = make(envs)
    list(rainbow.learn(envs, 80))
    state = rainbow.state_dict()
    rainbow.reset_optimiser()
    assert_same(rainbow.state_dict(), state | {"optimiser": {"step": {}, "exp_avg": {}, "exp_avg_sq": {}}})
    rainbow.update()
    assert set(rainbow.state_dict()["optimiser"]["step"].values()) == {1}


def test_errors_say_what_to_do(catch, recall, monkeypatch):
    envs = catch(num_envs=4)
    rainbow = make(envs)
    with pytest.raises(ValueError, match="max_env_steps=3 is less than one step of 4 envs: use fewer envs"):
        rainbow.iteration(envs, 3)
    rainbow.collect(envs, 1)
    with pytest.raises(ValueError, match=r"the last step had 4 envs, these are 5: call restart\(\) first"):
        rainbow.collect(catch(num_envs=5), 1)
    with pytest.raises(ValueError, match=r"another network, they differ in advantage\.bias.*"):
        make(envs, num_atoms=5).load_weights(rainbow.weights())
    with pytest.raises(ValueError, match="differ in everything"):
        rainbow.load_weights({}, only="nothing")
    space = envs.single_observation_space
    other = Rainbow(space, gym.spaces.Discrete(18), TINY, seed=0)
    with pytest.raises(
        ValueError, match="for 18 actions and these envs have 3: make the envs with the action"
    ):
        rainbow.load_weights(other.weights())
    with pytest.raises(
        ValueError, match=r"frame_stack=4 does not divide the last axis of observations \(6, 5, 1\)"
    ):
        make(envs, frame_stack=4)
    with pytest.raises(ValueError, match="300 rows a task is too small for 100 envs"):
        make(envs).collect(catch(num_envs=100), 1)

    def allocated(*args, **kwargs):
        raise AssertionError("memory was asked for")

    monkeypatch.setattr("fvm_learners.replay.Replay", allocated)
    with pytest.raises(
        ValueError, match=r"the replay needs 6\d\d\d\.\d GB and this machine has .* lower replay_c"
    ):
        make(envs, replay_capacity=10**11)


def test_where_frames_are_kept(monkeypatch):
    from fvm_learners.replay_memory import frames_device

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10_000, 20_000))
    monkeypatch.setattr("fvm_learners.replay_memory.physical_memory", lambda: 50_000)
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert frames_device(8_000, cuda) == cuda
    assert frames_device(8_001, cuda) == cpu
    assert frames_device(50_000, cpu) == cpu
    with pytest.raises(ValueError, match="lower replay_capacity"):
        frames_device(50_001, cuda)
    monkeypatch.setattr("fvm_learners.replay_memory.physical_memory", lambda: None)
    assert frames_device(10**15, cpu) == cpu
