"""Restarts: where they fall, what a learner sees of them, and that a run may stop and go on there."""

import numpy as np
import pytest
from fvm_envs import make_vec
from fvm_envs.restarts import Restarts

TASKS = "toy/hidden-catch/0:3"


def made(every=20, seed=7):
    envs = Restarts(make_vec(TASKS, 2, seed), seed, every)
    envs.env.state_dict = None  # as those that cannot save it
    return envs


def play(envs, steps, rng):
    """What the steps gave, as bytes."""
    return [
        (obs.tobytes(), reward.tolist(), terminated.tolist(), truncated.tolist(), info["task_index"].tolist())
        for obs, reward, terminated, truncated, info in (
            envs.step(rng.integers(envs.single_action_space.n, size=2)) for _ in range(steps)
        )
    ]


def test_whoever_has_not_ended_is_truncated_and_shown_its_last_observation():
    envs, plain = made(every=8), make_vec(TASKS, 2, 7)
    envs.reset(seed=1)
    plain.reset(seed=1)
    action = np.zeros(2, dtype=np.int64)
    for _ in range(3):  # an episode has three steps
        _, _, terminated, truncated, _ = envs.step(action)
        plain.step(action)
    assert terminated.all()
    assert not truncated.any()
    obs, _, terminated, truncated, info = envs.step(action)  # eight env steps
    continued, *_ = plain.step(action)
    assert not terminated.any()
    assert truncated.all()
    assert info["_final_obs"].all()
    assert all(np.array_equal(last, seen) for last, seen in zip(info["final_obs"], continued, strict=True))
    assert not np.array_equal(obs, continued)


def test_a_run_goes_on_from_a_restart_as_if_it_had_never_stopped(filed):
    envs, rng = made(), np.random.default_rng(0)
    envs.reset(seed=3)
    play(envs, 20, rng)
    assert envs.can_save
    state, drawn = envs.state_dict(), rng.bit_generator.state
    expected = play(envs, 25, rng)

    other = made(seed=99)
    other.load_state_dict(filed(state))
    rng.bit_generator.state = drawn
    assert play(other, 25, rng) == expected


def test_restarts_have_seeds_of_their_own():
    envs = made(every=2, seed=5)
    envs.reset(seed=5)
    action = np.zeros(2, dtype=np.int64)
    starts = {(envs.step(action)[0].tobytes()) for _ in range(30)}
    assert len(starts) > 10


def test_between_restarts_nothing_can_be_saved():
    envs = made()
    envs.reset(seed=3)
    assert envs.can_save
    envs.step(np.zeros(2, dtype=np.int64))
    assert not envs.can_save
    with pytest.raises(ValueError, match=r"2 env steps after a restart .* they can every 20"):
        envs.state_dict()


def test_restarts_fall_on_steps_of_all_slots():
    with pytest.raises(ValueError, match=r"every 21 env steps .* of 2 slots: give 20"):
        made(every=21)


def moved(envs):
    """The tasks that the slots of restarting envs play."""
    return envs.env.task_index.tolist()


def test_a_reset_that_cannot_be_done_again_cannot_be_saved():
    some, everyone = np.array([True, False]), np.ones(2, dtype=bool)
    for reset, saves in (
        (lambda envs: envs.reset(), False),
        (lambda envs: envs.reset(options={"reset_mask": some}), False),
        (lambda envs: envs.reset(options={"tasks": [f"{TASKS[:-4]}/2"] * 2}), False),
        (lambda envs: envs.reset(seed=[1, 2]), False),
        (lambda envs: envs.reset(seed=4, options={"reset_mask": some}), False),
        (lambda envs: envs.reset(seed=4, options={"tasks": [f"{TASKS[:-4]}/2"] * 2}), False),
        (lambda envs: envs.reset(seed=4), True),
        (lambda envs: envs.reset(seed=4, options={"reset_mask": everyone}), True),
        (lambda envs: envs.reset(options={"reset_mask": ~everyone}), True),  # looks, and touches nothing
    ):
        envs = made()
        envs.reset(seed=3)
        reset(envs)
        assert envs.can_save is saves
        if not saves:
            with pytest.raises(ValueError, match="reset or moved without the restart's seed"):
                envs.state_dict()
        play(envs, 10, np.random.default_rng(0))  # to the next restart, whose seed is known
        assert envs.can_save


@pytest.mark.parametrize("on_episode_end", ["stay", "resample"])
def test_moved_slots_are_restored_on_the_tasks_that_they_were_moved_to(filed, on_episode_end):
    def fresh(seed):
        return Restarts(make_vec("toy/hidden-catch/0:6", 2, seed, on_episode_end=on_episode_end), seed, 20)

    envs, rng = fresh(7), np.random.default_rng(0)
    envs.reset(seed=3)
    play(envs, 4, rng)
    envs.reset(options={"tasks": ["toy/hidden-catch/5", "toy/hidden-catch/3"]})
    play(envs, 6, rng)  # a restart
    state, tasks, drawn = envs.state_dict(), moved(envs), rng.bit_generator.state
    assert on_episode_end == "resample" or tasks == [5, 3]
    expected = play(envs, 25, rng)
    other = fresh(1)
    other.load_state_dict(filed(state))
    assert moved(other) == tasks
    rng.bit_generator.state = drawn
    assert play(other, 25, rng) == expected


def test_an_episode_that_a_restart_cuts_is_counted_as_one_that_ended():
    envs = made(every=8)
    envs.reset(seed=1)
    for step in range(1, 5):  # an episode has three steps, the fourth step restarts
        *_, info = envs.step(np.zeros(2, dtype=np.int64))
        assert info["_episode"].tolist() == [step >= 3] * 2
    assert info["episode"]["l"].tolist() == [1, 1]
    assert info["episode"]["r"].tolist() == [0.0, 0.0]


def test_envs_that_reset_in_the_next_step_are_refused():
    """What a restart shows would be taken for an episode's last observation, and its first step be lost."""
    envs = make_vec(TASKS, 2, 0, autoreset="next_step")
    with pytest.raises(ValueError, match="restarts reset in the same step"):
        Restarts(envs, 0, 20)
