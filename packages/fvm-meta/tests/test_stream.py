"""A stream of snapshots: exact steps, exact budget, exact resume, from anywhere."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fvm_learners import Iteration
from fvm_meta import MultiTask, Scratch, Spent, train

TASKS, TASK = (0, 3, 6), 5
ROLLOUT = 20  # 4 envs x 5 steps
BUDGET = 52  # two rollouts and one of 3 steps
AT = (0, 1, 7, 20, 28, 39, 41, 51, 52)


def same(a, b):
    """Whether two nested states hold the same bits."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    return a == b


def streams(lab, budget, stream, at=(), resume=None, seed=3):
    """A pretraining or an adaptation, each from fresh objects."""
    rng = np.random.default_rng(seed)
    if stream == "pretrain":
        return lab.build(MultiTask).pretrain(TASKS, budget(BUDGET), rng, at=at, resume=resume)
    return lab.build(Scratch).adapt(None, TASK, budget(BUDGET), rng, at=at, resume=resume)


def record(stream):
    """Every snapshot with its state, taken before the stream goes on."""
    return [(snapshot, snapshot.state()) for snapshot in stream]


def facts(snapshot):
    return snapshot.env_step, snapshot.spent, dict(snapshot.metrics), snapshot.episodes


def test_snapshots_come_after_each_update_and_exactly_where_they_are_wanted(lab, budget):
    snapshots = list(streams(lab, budget, "pretrain", AT))
    assert [s.env_step for s in snapshots] == [0, 1, 7, 20, 28, 39, 40, 41, 51, 52]
    assert [s.spent.env_steps for s in snapshots] == [s.env_step for s in snapshots]
    # 2 epochs x 2 minibatches; the shortened rollout, 3 of 5 rows, keeps one minibatch of about that size
    assert [s.spent.updates for s in snapshots] == [0, 0, 0, 4, 4, 4, 8, 8, 8, 10]
    assert [bool(s.metrics) for s in snapshots] == [s.env_step in (20, 40, 52) for s in snapshots]


def test_an_order_or_a_repeat_in_at_means_nothing(lab, budget):
    steps = [s.env_step for s in streams(lab, budget, "pretrain", (41, 7, 7))]
    assert steps == [7, 20, 40, 41, 52]


def test_a_snapshot_inside_a_rollout_is_the_policy_that_collects_it(lab, budget):
    weights = {s.env_step: dict(s.policy.weights) for s in streams(lab, budget, "adapt", AT)}
    for inside, collected_by in ((1, 0), (7, 0), (28, 20), (39, 20), (41, 40), (51, 40)):
        assert same(weights[inside], weights[collected_by])
    assert not same(weights[20], weights[0])
    assert not same(weights[52], weights[40])


@pytest.mark.parametrize("stream", ["pretrain", "adapt"])
def test_where_snapshots_fall_changes_nothing_that_is_learned(lab, budget, stream):
    few = {s.env_step: (facts(s), state) for s, state in record(streams(lab, budget, stream))}
    many = {
        s.env_step: (facts(s), state) for s, state in record(streams(lab, budget, stream, range(BUDGET + 1)))
    }
    assert len(many) == BUDGET + 1
    assert list(few) == [20, 40, 52]
    for env_step, (fact, state) in few.items():
        assert many[env_step][0] == fact
        assert same(many[env_step][1], state)


@pytest.mark.parametrize("stream", ["pretrain", "adapt"])
def test_resume_from_any_snapshot_is_bit_for_bit_the_uninterrupted_stream(lab, budget, filed, stream):
    whole = record(streams(lab, budget, stream, AT))
    assert sum(len(s.episodes) for s, _ in whole) == whole[-1][0].spent.episodes > 0
    for position, (_, state) in enumerate(whole):
        rest = record(streams(lab, budget, stream, AT, resume=filed(state)))
        assert [facts(s) for s, _ in rest] == [facts(s) for s, _ in whole[position + 1 :]]
        for (snapshot, resumed), (expected, uninterrupted) in zip(rest, whole[position + 1 :], strict=True):
            assert same(resumed, uninterrupted)
            assert same(dict(snapshot.policy.weights), dict(expected.policy.weights))


def test_a_resumed_stream_may_be_asked_for_other_snapshots(lab, budget):
    state = record(streams(lab, budget, "adapt", AT))[4][1]  # at 28, inside the second rollout
    resumed = record(streams(lab, budget, "adapt", (1, 30, 45), resume=state))
    assert [s.env_step for s, _ in resumed] == [30, 40, 45, 52]
    *_, (_, uninterrupted) = record(streams(lab, budget, "adapt"))
    assert same(resumed[-1][1], uninterrupted)


def test_a_state_stays_as_it_is_while_the_stream_goes_on(lab, budget):
    stream = streams(lab, budget, "adapt", AT)
    states = [next(stream).state() for _ in range(3)]
    copies = copy.deepcopy(states)
    list(stream)
    assert all(same(state, kept) for state, kept in zip(states, copies, strict=True))


def test_a_state_is_refused_once_the_stream_has_gone_on(lab, budget):
    stream = streams(lab, budget, "adapt", (0, 7))
    first, inside = next(stream), next(stream)
    assert same(first.state()["learner"], inside.state()["learner"])  # nothing was learned in between
    last = next(stream)
    with pytest.raises(ValueError, match="gone on or ended since its snapshot at env step 7"):
        inside.state()
    last.state()
    stream.close()
    with pytest.raises(ValueError, match="gone on or ended since its snapshot at env step 20"):
        last.state()


def test_envs_that_cannot_be_saved_train_all_the_same(lab, budget, monkeypatch):
    monkeypatch.delattr(lab.make_envs([0], seed=0, on_episode_end="stay").__class__, "state_dict")
    stream = streams(lab, budget, "adapt")
    with pytest.raises(ValueError, match=r"GoalLine has no state_dict\(\)"):
        next(stream).state()
    assert [s.env_step for s in stream] == [40, 52]


def test_a_frozen_policy_never_changes(lab, budget):
    stream = streams(lab, budget, "adapt", AT)
    policies = [next(stream).policy for _ in range(5)]
    before = [{name: tensor.clone() for name, tensor in policy.weights.items()} for policy in policies]
    list(stream)
    assert all(same(dict(policy.weights), kept) for policy, kept in zip(policies, before, strict=True))


def test_evaluating_a_snapshot_leaves_the_stream_alone(lab, budget, family):
    *_, mean_return = family
    played = []
    for snapshot in streams(lab, budget, "adapt", AT):
        mean_return(snapshot.policy, [TASK])
        torch.rand(3)  # the global generator belongs to nobody
        played.append((facts(snapshot), dict(snapshot.policy.weights)))
    alone = [(facts(s), dict(s.policy.weights)) for s in streams(lab, budget, "adapt", AT)]
    assert all(a[0] == b[0] and same(a[1], b[1]) for a, b in zip(played, alone, strict=True))


@pytest.mark.parametrize("num_rows", [0, 1, 4, 5, 6, 10, 13])
def test_the_budget_is_met_and_never_exceeded(lab, budget, num_rows):
    steps = num_rows * lab.num_envs
    snapshots = list(lab.build(Scratch).adapt(None, TASK, budget(steps), np.random.default_rng(0)))
    assert snapshots[-1].env_step == lab.envs[0].steps_taken == lab.learners[0].env_step == steps
    assert snapshots[-1].spent.updates == lab.learners[0].updates


def test_the_ledger_counts_what_was_spent(lab, budget):
    snapshots = list(streams(lab, budget, "pretrain"))
    episodes = [episode for snapshot in snapshots for episode in snapshot.episodes]
    assert snapshots[-1].spent == Spent(
        env_steps=BUDGET, updates=lab.learners[0].updates, episodes=len(episodes), demos=0
    )
    assert all(0 < episode.env_step <= BUDGET for episode in episodes)
    assert {episode.length for episode in episodes} == {1, 2, 3}


@pytest.mark.parametrize(("steps", "mend"), [(50, "use 48 or 52"), (3, "use 0 or 4"), (-8, "use 0 or 4")])
def test_a_budget_that_does_not_fit_the_envs_names_those_that_do(lab, budget, steps, mend):
    with pytest.raises(ValueError, match=rf"budget of {steps} env steps .* 4 parallel envs; {mend}"):
        next(lab.build(MultiTask).pretrain(TASKS, budget(steps), np.random.default_rng(0)))
    assert lab.envs[0].closed


@pytest.mark.parametrize("steps", [52.0, 1.5, float("nan"), float("inf"), None, "52", True])
def test_a_budget_is_a_whole_number(lab, budget, steps):
    with pytest.raises(ValueError, match=f"a budget of {steps!r} env steps: give a whole number"):
        next(lab.build(MultiTask).pretrain(TASKS, budget(steps), np.random.default_rng(0)))
    assert lab.envs[0].closed


def test_a_single_env_is_told_how_to_become_several(lab, budget):
    one = SimpleNamespace(single_observation_space=None)
    with pytest.raises(TypeError, match=r"is a single env, .* gymnasium.make_vec"):
        next(
            MultiTask(lab.make_learner, lambda *_, **__: one).pretrain(
                TASKS, budget(8), np.random.default_rng(0)
            )
        )


@pytest.mark.parametrize("at", [(-1,), (0, 53, 20)])
def test_a_snapshot_outside_the_budget_is_refused(lab, budget, at):
    with pytest.raises(ValueError, match=r"wanted at \[(-1|53)\], outside the budget of 52"):
        next(streams(lab, budget, "adapt", at))
    assert lab.envs[0].closed


@pytest.mark.parametrize("way", ["end", "close", "learner fails", "bad state", "no learner"])
def test_envs_are_closed_however_a_stream_ends(lab, budget, monkeypatch, way):
    if way == "end":
        list(streams(lab, budget, "adapt"))
    elif way == "close":
        stream = streams(lab, budget, "adapt", (0,))
        next(stream)
        assert not lab.envs[0].closed
        stream.close()
        assert lab.envs[0].steps_taken == 0
    elif way == "bad state":
        with pytest.raises(ValueError, match="resume is a dict without learner"):
            next(streams(lab, budget, "adapt", resume={}))
    elif way == "no learner":
        paradigm = Scratch(lambda *spaces, **options: 1 / 0, lab.make_envs)
        with pytest.raises(ZeroDivisionError):
            next(paradigm.adapt(None, TASK, budget(BUDGET), np.random.default_rng(0)))
    else:
        stream = streams(lab, budget, "adapt", (0,))
        next(stream)
        monkeypatch.setattr(lab.learners[0], "iteration", lambda envs, size: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            next(stream)
    assert lab.envs[0].closed


def test_nothing_is_made_before_a_snapshot_is_asked_for(lab, budget):
    streams(lab, budget, "adapt")
    assert lab.envs == lab.learners == []


def test_a_learner_that_takes_another_number_of_steps_is_found_out(lab, budget, monkeypatch):
    envs = lab.make_envs([TASK], seed=0, on_episode_end="stay")
    learner = lab.make_learner(envs.single_observation_space, envs.single_action_space, seed=0)
    monkeypatch.setattr(learner, "iteration", lambda envs, size: Iteration(size + 4, 1, {}, ()))
    with pytest.raises(RuntimeError, match="PPO took 24 env steps, not the 20 due"):
        next(train(learner, envs, budget(BUDGET)))


def test_equal_generators_give_equal_streams_and_others_do_not(lab, budget):
    first, again, other = (record(streams(lab, budget, "pretrain", seed=seed)) for seed in (1, 1, 2))
    assert all(same(a, b) and facts(s) == facts(t) for (s, a), (t, b) in zip(first, again, strict=True))
    weights = [stream[-1][0].policy.weights["value.weight"] for stream in (first, other)]
    assert not torch.equal(*weights)
    assert facts(first[-1][0]) != facts(other[-1][0])


@pytest.mark.parametrize("came", [None, (20, 1, {}, ())])
def test_what_an_iteration_gives_is_an_iteration(lab, budget, monkeypatch, came):
    envs = lab.make_envs([TASK], seed=0, on_episode_end="stay")
    learner = lab.make_learner(envs.single_observation_space, envs.single_action_space, seed=0)
    monkeypatch.setattr(learner, "iteration", lambda envs, size: came)
    with pytest.raises(TypeError, match=r"PPO.iteration gave .*: let it return an fvm_learners.Iteration"):
        list(train(learner, envs, budget(BUDGET)))
