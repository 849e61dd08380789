"""RL2: what lifetimes cost and what is remembered of them, for each of its adaptations; exact resume."""

import copy
import math

import numpy as np
import pytest
import torch
from fvm_learners import PPOConfig
from fvm_meta import RL2, MultiTask, RL2Config, Spent
from fvm_meta.paradigm import Transfer
from fvm_meta.rl2 import Lifetimes

TASKS, TASK = (0, 3, 6), 5
RECURRENT = PPOConfig(
    num_steps=8, num_epochs=2, num_minibatches=2, mlp_sizes=(8,), recurrent=True, lstm_size=4
)
ROLLOUT = 32  # 4 envs x 8 steps


@pytest.fixture
def lab(lab):
    return lab.with_config(**vars(RECURRENT))


@pytest.fixture
def pretrained(lab, budget):
    *_, last = rl2(lab).pretrain(TASKS, budget(ROLLOUT), np.random.default_rng(0))
    lab.envs.clear(), lab.learners.clear(), lab.options.clear()
    return last


def rl2(lab, **config):
    return lab.build(RL2, RL2Config(**config))


def record(stream):
    """Every snapshot with its state, taken before the stream goes on."""
    return [(snapshot, snapshot.state()) for snapshot in stream]


def memory_of(snapshot):
    """state [L, 2, 4] and feedback [L, 4] with which a deployed episode begins."""
    memory = snapshot.policy._memory
    return None if memory is None else (memory.state, memory.feedback)


def assert_resumes(stream, same, filed):
    """`stream(resume)`: from each of its snapshots it goes on bit for bit, memories included."""
    whole = record(stream(None))
    for position, (_, state) in enumerate(whole):
        rest = record(stream(filed(state)))
        assert len(rest) == len(whole) - position - 1
        for (snapshot, resumed), (expected, kept) in zip(rest, whole[position + 1 :], strict=True):
            assert same(resumed, kept)
            assert same(dict(snapshot.policy.weights), dict(expected.policy.weights))
            assert (memory_of(snapshot) is None) == (memory_of(expected) is None)
            if memory_of(snapshot) is not None:
                assert all(map(torch.equal, memory_of(snapshot), memory_of(expected)))
            for fact in ("env_step", "spent", "metrics", "episodes"):
                assert getattr(snapshot, fact) == getattr(expected, fact)
    return [snapshot for snapshot, _ in whole]


# ---- pretraining


def test_pretraining_plays_lifetimes_of_all_tasks_and_reports_their_mean_trials(lab, budget):
    snapshots = list(rl2(lab, trials=3).pretrain(TASKS, budget(20 * ROLLOUT), np.random.default_rng(0)))
    (envs,) = lab.envs
    assert (envs.tasks, envs.on_episode_end, envs.trials) == (TASKS, "resample", 3)
    assert envs.steps_taken == snapshots[-1].spent.env_steps == 20 * ROLLOUT
    episodes = [e for s in snapshots for e in s.episodes]
    assert snapshots[-1].spent.episodes == len(episodes) > 60  # lifetimes of 3 trials of 2 steps
    assert {round(3 * e.return_) for e in episodes} == {0, 1, 2, 3}
    assert all(3 * e.return_ == pytest.approx(round(3 * e.return_)) for e in episodes)
    assert {e.length for e in episodes} == {1, 2, 3}
    assert {e.task_index for e in episodes} == {0, 1, 2}
    assert memory_of(snapshots[-1]) is None


def test_pretraining_resumes_bit_for_bit_from_every_snapshot(lab, budget, same, filed):
    """The last rollout has 5 of its 8 rows; lifetimes are under way at the end of each."""

    def stream(resume):
        return rl2(lab).pretrain(TASKS, budget(84), np.random.default_rng(0), at=(0, 13, 40), resume=resume)

    assert [s.env_step for s in assert_resumes(stream, same, filed)] == [0, 13, 32, 40, 64, 84]


def test_a_learner_without_memory_is_refused(lab, budget, pretrained):
    forgetful = lab.with_config(recurrent=False)
    with pytest.raises(ValueError, match=r"this policy has none; use PPOConfig\(recurrent=True\)"):
        next(rl2(forgetful).pretrain(TASKS, budget(64), np.random.default_rng(0)))
    assert forgetful.envs[0].closed
    *_, plain = forgetful.build(MultiTask).pretrain(TASKS, budget(64), np.random.default_rng(0))
    for adaptation in ("context", "both", "gradient"):
        with pytest.raises(ValueError, match="this policy has none"):
            next(rl2(lab, adaptation=adaptation).adapt(plain, TASK, budget(64), np.random.default_rng(0)))


# ---- adaptation by context


def live(lab, pretrained, budget, steps=40, trials=4, at=(0,), resume=None, seed=1):
    return rl2(lab, trials=trials).adapt(
        pretrained, TASK, budget(steps), np.random.default_rng(seed), at=at, resume=resume
    )


def test_context_spends_the_steps_of_one_lifetime_and_nothing_after_its_trials(lab, budget, pretrained):
    """4 lifetimes explore for 3 trials of 1 to 3 steps, so the slowest is done after at most 9 steps."""
    at = (0, 1, 2, 5, 20, 33, 40)
    snapshots = list(live(lab, pretrained, budget, at=at))
    (envs,) = lab.envs
    assert (envs.tasks, envs.on_episode_end, envs.trials) == ((TASK,), "stay", math.inf)
    assert lab.options == [{"trials": math.inf, "replicates": True}]
    assert lab.learners == []
    assert [s.env_step for s in snapshots] == list(at)
    lived = envs.steps_taken // 4
    assert 5 < lived <= 9
    assert [s.spent.env_steps for s in snapshots] == [0, 1, 2, 5, lived, lived, lived]
    assert snapshots[-1].spent == Spent(env_steps=lived, updates=0, episodes=4 * 3)
    episodes = [e for s in snapshots for e in s.episodes]
    assert len(episodes) == 4 * 3
    assert max(e.env_step for e in episodes) == lived
    assert all(1 <= e.length <= 3 and e.return_ in (0, 1) for e in episodes)
    assert envs.closed


def test_exploration_stops_at_the_budget_in_mid_trial(lab, budget, pretrained):
    snapshots = list(live(lab, pretrained, budget, steps=4, trials=100, at=(0, 3)))
    assert [s.env_step for s in snapshots] == [0, 3, 4]
    assert [s.spent.env_steps for s in snapshots] == [0, 3, 4]
    assert lab.envs[0].steps_taken == 4 * 4


def test_what_is_remembered_is_what_hand_played_lifetimes_know_at_their_trials_ends(
    lab, budget, pretrained, goal_trials
):
    at = range(41)
    snapshots = {s.env_step: s for s in live(lab, pretrained, budget, at=at)}
    env_rng, rngs_of = np.random.default_rng(1).spawn(1)[0], np.random.default_rng(1)
    rngs_of.spawn(1)
    rngs = rngs_of.spawn(4)
    envs = goal_trials([TASK], 4, int(env_rng.integers(2**31)), "stay", math.inf)
    policy, state, start = pretrained.policy, pretrained.policy.initial_state(4), np.ones(4, np.bool_)
    (obs, _), known, trials = envs.reset(), [(torch.zeros(2, 4), np.zeros(4))] * 4, np.zeros(4, int)
    for step in at:
        remembered_state, feedback = memory_of(snapshots[step])
        for slot in range(4):
            assert torch.equal(remembered_state[slot], known[slot][0])
            assert feedback[slot].tolist() == known[slot][1].tolist()
        actions, state = policy.act(obs, state, start, rngs)
        obs, _, _, _, info = envs.step(actions)
        start = np.zeros(4, np.bool_)
        trials += info["trial_end"]
        for slot in np.flatnonzero(info["trial_end"] & (trials <= 3)):
            known[slot] = state[slot].clone(), obs["feedback"][slot].copy()
    assert (feedback[:, :2].sum(1) == 1).all()  # the last action of the last trial
    assert (feedback[:, 3] == 1).all()
    assert remembered_state.abs().sum(dim=(1, 2)).min() > 0


def test_a_deployed_trial_goes_on_from_its_own_lifetime(lab, budget, pretrained, goal_trials):
    """Evaluation slot i begins with the memory of lifetime i, a fifth slot with that of the first."""
    *_, adapted = live(lab, pretrained, budget)
    state, feedback = memory_of(adapted)
    obs, _ = goal_trials([TASK], 5, 7, "stay", 1).reset()
    noise = [np.random.default_rng(slot) for slot in range(5)]
    actions, after = adapted.policy.act(
        obs, adapted.policy.initial_state(5), np.ones(5, np.bool_), copy.deepcopy(noise)
    )
    rows = [0, 1, 2, 3, 0]
    told = {"obs": obs["obs"], "feedback": feedback[rows].numpy()}
    expected, goes_on = pretrained.policy.act(told, state[rows], np.zeros(5, np.bool_), noise)
    assert actions.tolist() == expected.tolist()
    assert torch.equal(after, goes_on)
    assert not torch.equal(after[0], after[1])


def test_context_begins_without_memory_whatever_the_snapshot_remembers(lab, budget, pretrained):
    *_, adapted = live(lab, pretrained, budget)
    again, fresh = (list(live(lab, snapshot, budget)) for snapshot in (adapted, pretrained))
    assert all(map(torch.equal, memory_of(again[-1]), memory_of(fresh[-1])))
    assert again[-1].episodes == fresh[-1].episodes


def test_context_resumes_bit_for_bit_from_every_snapshot(lab, budget, pretrained, same, filed):
    def stream(resume):
        return live(lab, pretrained, budget, at=(0, 1, 4, 30, 40), resume=resume)

    assert [s.env_step for s in assert_resumes(stream, same, filed)] == [0, 1, 4, 30, 40]


def test_where_snapshots_fall_changes_nothing_that_is_remembered(lab, budget, pretrained):
    few, many = (list(live(lab, pretrained, budget, at=at)) for at in ((), range(41)))
    assert (len(few), len(many)) == (1, 41)
    assert all(map(torch.equal, memory_of(few[-1]), memory_of(many[-1])))
    assert [e for s in many for e in s.episodes] == list(few[-1].episodes)


def test_long_explorations_offer_snapshots_to_save(lab, budget, pretrained):
    steps = [s.env_step for s in live(lab, pretrained, budget, steps=600, trials=1000, at=(100,))]
    assert steps == [100, 256, 512, 600]


def test_a_state_is_refused_once_the_lifetimes_have_gone_on(lab, budget, pretrained):
    stream = live(lab, pretrained, budget, at=(0, 1))
    first = next(stream)
    first.state()
    next(stream)
    with pytest.raises(ValueError, match="gone on since its snapshot at env step 0"):
        first.state()
    stream.close()
    assert lab.envs[0].closed


def test_the_control_with_one_trial_has_nothing_to_remember(lab, budget, pretrained):
    snapshots = list(live(lab, pretrained, budget, trials=1, at=(0, 20)))
    assert [(s.env_step, s.spent) for s in snapshots] == [(step, Spent()) for step in (0, 20, 40)]
    assert lab.envs[0].steps_taken == 0
    for snapshot in snapshots:
        assert not any(part.any() for part in memory_of(snapshot))


def test_lifetimes_that_end_early_wait_for_the_others(lab, pretrained, goal_trials):
    envs = goal_trials([TASK], 4, 0, "stay", math.inf)
    rngs = [np.random.default_rng(slot) for slot in range(4)]
    lives = Lifetimes(pretrained.policy, envs, 2, rngs)
    done, played = np.zeros(4, int), 0
    while lives.exploring.any():
        held, was = lives.memory, lives.exploring.copy()
        ended = lives.step()
        played += len(ended)
        done[lives.exploring] = lives.env_step
        for slot in np.flatnonzero(~was):
            assert torch.equal(lives.memory.state[slot], held.state[slot])
            assert torch.equal(lives.memory.feedback[slot], held.feedback[slot])
    assert played == lives.episodes == 4 * 2
    assert len(set(done.tolist())) > 1


# ---- adaptation by gradient


def tuned(lab, pretrained, budget, adaptation, at=(0,), resume=None, steps=84):
    return rl2(lab, trials=3, adaptation=adaptation).adapt(
        pretrained, TASK, budget(steps), np.random.default_rng(1), at=at, resume=resume
    )


@pytest.mark.parametrize(("adaptation", "trials"), [("both", 3), ("gradient", 1)])
def test_fine_tuning_plays_lifetimes_of_the_new_task(lab, budget, pretrained, adaptation, trials, same):
    start, *snapshots = tuned(lab, pretrained, budget, adaptation)
    (envs,) = lab.envs
    assert (envs.tasks, envs.on_episode_end, envs.trials) == ((TASK,), "stay", trials)
    assert lab.options == [{"trials": trials}]
    assert same(dict(start.policy.weights), dict(pretrained.policy.weights))
    assert [s.env_step for s in snapshots] == [32, 64, 84]
    assert envs.steps_taken == snapshots[-1].spent.env_steps == 84
    assert snapshots[-1].spent.updates > 0
    assert not same(dict(snapshots[-1].policy.weights), dict(pretrained.policy.weights))
    assert all(e.length <= 3 and e.return_ <= 1 for s in snapshots for e in s.episodes)
    assert memory_of(start) is None
    assert all((memory_of(s) is None) == (adaptation == "gradient") for s in snapshots)


@pytest.mark.parametrize("adaptation", ["both", "gradient"])
def test_fine_tuning_takes_over_what_the_transfer_says(lab, budget, pretrained, adaptation):
    paradigm = RL2(
        lab.make_learner,
        lab.make_envs,
        RL2Config(trials=3, adaptation=adaptation),
        Transfer(parts="encoder", frozen=True),
    )
    start, *_, end = paradigm.adapt(pretrained, TASK, budget(64), np.random.default_rng(1))
    for name, before in pretrained.policy.weights.items():
        is_encoder = name.startswith("encoder.")
        for snapshot in (start, end):
            kept = torch.equal(snapshot.policy.weights[name], before)
            assert kept == is_encoder or not before.any(), name  # biases of 0 are drawn as 0


def test_context_takes_over_all_and_trains_nothing(lab, budget, pretrained):
    paradigm = RL2(lab.make_learner, lab.make_envs, RL2Config(), Transfer(parts="encoder"))
    with pytest.raises(ValueError, match="RL2 that adapts by its context trains nothing: leave transfer out"):
        next(paradigm.adapt(pretrained, TASK, budget(64), np.random.default_rng(1)))
    assert lab.envs == []


def test_within_a_rollout_both_remembers_what_it_did_when_the_rollout_began(lab, budget, pretrained):
    """Rollouts of 32 steps: nothing until the first one ends, and at 40 what was remembered at 32."""
    memories = {s.env_step: memory_of(s) for s in tuned(lab, pretrained, budget, "both", at=(0, 13, 40))}
    assert list(memories) == [0, 13, 32, 40, 64, 84]
    assert memories[0] is None
    assert memories[13] is None
    assert all(map(torch.equal, memories[40], memories[32]))
    assert not all(map(torch.equal, memories[64], memories[40]))


def test_both_deploys_from_where_a_training_slot_last_began_another_trial(lab, budget, pretrained):
    """By a spy between learner and envs: what it was shown then, and the memory it had at that time."""
    shown = []

    class Spy:
        def __init__(self, envs):
            self.envs = envs

        def __getattr__(self, name):
            return getattr(self.envs, name)

        def step(self, actions):
            obs, reward, terminated, truncated, info = self.envs.step(actions)
            shown.append((obs["feedback"].copy(), info["trial_end"] & ~terminated))
            return obs, reward, terminated, truncated, info

    paradigm = RL2(
        lab.make_learner,
        lambda *args, **options: Spy(lab.make_envs(*args, **options)),
        RL2Config(trials=3, adaptation="both"),
    )
    last = [np.zeros(4)] * 4
    position = 0
    for snapshot in paradigm.adapt(pretrained, TASK, budget(320), np.random.default_rng(1), at=()):
        for feedback, new_trial in shown[position:]:
            for slot in np.flatnonzero(new_trial):
                last[slot] = feedback[slot]
        position = len(shown)
        state, feedback = memory_of(snapshot)
        assert feedback.tolist() == [row.tolist() for row in last]
        assert (state.abs().sum(dim=(1, 2)) > 0).tolist() == [bool(row.any()) for row in last]
        assert set(feedback[:, 3].tolist()) <= {0, 1}
    assert feedback[:, 3].all()


@pytest.mark.parametrize("adaptation", ["both", "gradient"])
def test_fine_tuning_resumes_bit_for_bit_from_every_snapshot(
    lab, budget, pretrained, same, filed, adaptation
):
    def stream(resume):
        return tuned(lab, pretrained, budget, adaptation, at=(0, 13, 40), resume=resume)

    steps = [s.env_step for s in assert_resumes(stream, same, filed)]
    assert steps == [0, 13, 32, 40, 64, 84]


# ---- no adaptation, and refusals


def test_zero_shot_is_the_pretrained_agent_at_every_step_for_nothing(lab, pretrained):
    paradigm = rl2(lab)
    whole = record(paradigm.zero_shot(pretrained, at=(20, 0, 40, 20)))
    assert [(s.env_step, s.spent, s.episodes) for s, _ in whole] == [
        (step, Spent(), ()) for step in (0, 20, 40)
    ]
    assert all(s.policy is pretrained.policy for s, _ in whole)
    assert lab.envs == lab.learners == []
    for position, (_, state) in enumerate(whole):
        rest = paradigm.zero_shot(pretrained, at=(0, 20, 40), resume=state)
        assert [s.env_step for s in rest] == [0, 20, 40][position + 1 :]


def test_what_it_cannot_do_it_says(lab, budget, pretrained):
    with pytest.raises(ValueError, match="use Scratch"):
        next(rl2(lab).adapt(None, TASK, budget(32), np.random.default_rng(0)))
    with pytest.raises(ValueError, match=r"2 demonstrations given, but RL2 .* use demos=\(\)"):
        next(rl2(lab).adapt(pretrained, TASK, budget(32), np.random.default_rng(0), demos=[1, 2]))
    with pytest.raises(ValueError, match=r"wanted at \[41\], outside the budget of 40"):
        next(live(lab, pretrained, budget, at=(0, 41)))
    with pytest.raises(ValueError, match=r"wanted at \[1.5\], outside the budget of 40 .* or no whole"):
        next(live(lab, pretrained, budget, at=(0, 1.5)))
    for trials in (0, 1.5, float("inf")):
        with pytest.raises(ValueError, match=f"trials={trials}: give a whole number of at least 1"):
            RL2Config(trials=trials)
    with pytest.raises(ValueError, match="adaptation='none': give 'context', 'both' or 'gradient'"):
        RL2Config(adaptation="none")
