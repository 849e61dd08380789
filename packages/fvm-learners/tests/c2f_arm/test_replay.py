import numpy as np
import pytest
from fvm_learners.c2f_arm import C2FARMConfig
from fvm_learners.c2f_arm.demonstrations import insert
from fvm_learners.c2f_arm.replay import ArmReplay
from fvm_learners.c2f_arm.views import Eye, Views

EYE = Eye(("front",), ("gripper_open",), 2, 2, (1,), False)


def views(*numbers):
    num = len(numbers)
    return Views(
        np.array(numbers, dtype=np.uint8).reshape(num, 1, 1, 1) * np.ones((1, 1, 3, 4), dtype=np.uint8),
        np.zeros((num, 1, 4), np.float32),
        np.zeros((num, 1, 4, 4), np.float32),
        np.zeros((num, 1, 3, 3), np.float32),
        np.array(numbers, dtype=np.float32).reshape(num, 1),
    )


def play(replay, first, steps):
    """One episode whose frames are numbered."""
    (frame,) = replay.write(views(first))
    for t in range(1, steps + 1):
        done = t == steps
        following = frame if done else replay.write(views(first + t))[0]
        replay.append(
            frame, following, np.full(8, first + t), float(done), done=done, time=0.0, next_time=0.0
        )
        frame = following


def stored(replay):
    """(frame, next frame) of all transitions that can be sampled, by the numbers in their pictures."""
    rows = np.flatnonzero(replay._tree.priorities > 0)
    moves = replay.transitions(rows)
    one, two = replay.views(moves.frame), replay.views(moves.next_frame)
    return sorted(zip(one.low_dim[:, 0].astype(int), two.low_dim[:, 0].astype(int), strict=True))


def test_what_is_overwritten_takes_its_transitions_with_it():
    replay = ArmReplay(6, EYE, 1.0)
    play(replay, 10, 3)
    play(replay, 20, 3)
    assert stored(replay) == [(10, 11), (11, 12), (12, 12), (20, 21), (21, 22), (22, 22)]
    replay.write(views(30, 31))  # over 10 and 11: nothing may lead from or to them
    assert stored(replay) == [(12, 12), (20, 21), (21, 22), (22, 22)]
    replay.write(views(32, 33))  # over 12 and 20
    assert stored(replay) == [(21, 22), (22, 22)]


def test_an_episodes_end_outlives_what_is_written_over_older_frames(filed):
    """12 came from the row that 31 is in; overwriting 12 takes nothing of 31, whose step was rewarded."""
    replay = ArmReplay(6, EYE, 1.0)
    play(replay, 10, 3)
    play(replay, 20, 3)
    play(replay, 30, 2)  # over 10 and 11
    play(replay, 40, 1)  # over 12
    assert stored(replay) == [(20, 21), (21, 22), (22, 22), (30, 31), (31, 31), (40, 40)]
    again = ArmReplay(6, EYE, 1.0)
    again.load_state_dict(filed(replay.state_dict()))
    for one in (replay, again):
        context = one.recent(6, 6, np.random.default_rng(0))
        assert sorted(context.action[:, 0]) == [21, 22, 23, 31, 32, 41]
        assert context.reward.sum() == 3


def test_demonstrations_are_never_overwritten(demos):
    replay = ArmReplay(12, EYE, 1.0)
    rows = replay.write(views(1, 2, 3), pinned=True)
    replay.append_demonstration(rows[0], rows[1], np.zeros(8), 0.0, done=False, time=1.0, next_time=0.8)
    for first in range(10, 100, 5):
        play(replay, first, 4)
    assert (1, 2) in stored(replay)
    with pytest.raises(ValueError, match="full of demonstrations"):
        replay.write(views(*range(20)), pinned=True)


def test_a_demonstrations_frame_is_stored_once(demos, ball, tiny):
    eye = Eye.of(ball().single_observation_space, tiny)
    replay = ArmReplay(100, eye, 1.0)
    (demo,) = demos(1)
    insert(demo, replay, C2FARMConfig(start_every=3), 10)
    # Keyframes 5 and 11, starts at 0, 3, 6, 9: six frames, of which 0 and 3 are followed by two transitions.
    assert replay.num_frames == 6
    assert replay.num_transitions == 6
    moves = replay.transitions(100 + np.arange(6))
    assert moves.reward.tolist() == [0, 1, 0, 1, 1, 1]
    np.testing.assert_allclose(moves.time, 1 - np.array([0, 1, 0, 1, 0, 0]) * 2 / 9, atol=1e-6)
    np.testing.assert_allclose(moves.action[0, :3], demo.frames["gripper_pose"][5, :3], atol=1e-6)


def test_a_camera_frame_takes_115_kb():
    eye = Eye(("front",), (), 128, 128, (), False)
    replay = ArmReplay(128, eye, 1.0)
    replay.write(Views(*(array[None] for array in one_frame(128))))
    assert sum(array.nbytes for array in replay._chunks[0].values()) / 128 == 114_788
    assert replay.nbytes / 128 < 120_000


def one_frame(side):
    return (
        np.zeros((1, 3, side * side), np.uint8),
        np.zeros((1, side * side), np.float32),
        np.zeros((1, 4, 4), np.float32),
        np.zeros((1, 3, 3), np.float32),
        np.zeros(0, np.float32),
    )


def test_a_loss_that_is_not_finite_leaves_priorities_as_they_are():
    replay = ArmReplay(6, EYE, 0.5)
    play(replay, 10, 3)
    rows = np.arange(3)
    replay.update_priorities(rows, np.array([4.0, np.nan, np.inf]))
    assert replay._tree.priorities[:3].tolist() == [2.0, 1.0, 1.0]
    assert replay.max_priority == 2.0
    drawn, probability = replay.draw(100, np.random.default_rng(0))
    assert np.isfinite(probability).all()
    assert (np.bincount(drawn, minlength=3) == [50, 25, 25]).all()


def test_the_newest_steps_are_a_context():
    replay = ArmReplay(20, EYE, 1.0)
    play(replay, 10, 4)
    play(replay, 20, 4)
    context = replay.recent(3, 3, np.random.default_rng(0))
    assert sorted(context.views.low_dim[:, 0]) == [21, 22, 23]
    assert sorted(context.action[:, 0]) == [22, 23, 24]
    assert context.reward.sum() == 1
    assert len(ArmReplay(20, EYE, 1.0).recent(3, 3, np.random.default_rng(0))) == 0
    assert len(replay.recent(30, 2, np.random.default_rng(0), replace=True)) == 30


def test_demonstrations_are_part_of_a_context_if_asked_for():
    for wanted in (False, True):
        replay = ArmReplay(20, EYE, 1.0, context_demonstrations=wanted)
        rows = replay.write(views(1, 2), pinned=True)
        replay.append_demonstration(rows[0], rows[1], np.zeros(8), 1.0, done=True, time=1.0, next_time=0.8)
        context = replay.recent(3, 3, np.random.default_rng(0), next_obs=False)
        assert context.reward.tolist() == ([1.0] if wanted else [])


def test_many_demonstrations_leave_room_for_what_was_played_in_a_context(filed):
    def of_demos(frac, seed, played=4):
        replay = ArmReplay(20, EYE, 1.0, context_demonstrations=True, demonstrated_context_frac=frac)
        rows = replay.write(views(1, 2), pinned=True)
        for _ in range(96):
            replay.append_demonstration(
                rows[0], rows[1], np.zeros(8), 5.0, done=True, time=1.0, next_time=0.8
            )
        if played:
            play(replay, 10, played)
        again = ArmReplay(20, EYE, 1.0, context_demonstrations=True, demonstrated_context_frac=frac)
        again.load_state_dict(filed(replay.state_dict()))
        both = [one.recent(3, 10, np.random.default_rng(seed)).reward.tolist() for one in (replay, again)]
        assert both[0] == both[1]
        assert len(both[0]) == 3
        return both[0].count(5.0)

    assert sum(of_demos(None, seed) for seed in range(40)) > 105  # of 120: 96 of 100 are demonstrated
    assert 45 <= sum(of_demos(0.5, seed) for seed in range(40)) <= 75
    assert {of_demos(0.0, seed) for seed in range(5)} == {0}
    assert {of_demos(1.0, seed) for seed in range(5)} == {3}
    assert {of_demos(0.0, seed, played=2) for seed in range(5)} == {1}  # too few were played
    assert of_demos(0.0, 0, played=0) == 3
    with pytest.raises(ValueError, match="demonstrated_context_frac"):
        C2FARMConfig(demonstrated_context_frac=1.5)


def test_it_goes_on_where_it_was_saved(filed):
    one, two = ArmReplay(9, EYE, 1.0), ArmReplay(9, EYE, 1.0)
    rows = one.write(views(1, 2), pinned=True)
    one.append_demonstration(rows[0], rows[1], np.zeros(8), 0.0, done=False, time=1.0, next_time=0.8)
    play(one, 10, 4)
    play(two, 50, 3)  # what a used replay held is gone afterwards
    two.load_state_dict(filed(one.state_dict()))
    for replay in (one, two):
        play(replay, 20, 4)
    assert stored(one) == stored(two)
    assert one.serial_of(4) == two.serial_of(4)
    with pytest.raises(ValueError, match="of a replay of 9 frames, this one has 8"):
        ArmReplay(8, EYE, 1.0).load_state_dict(one.state_dict())


def test_unstratified_draws_are_independent():
    """Of two equal transitions a stratified draw of 2 takes both, independent ones often one twice."""
    same = {True: 0, False: 0}
    for stratified in same:
        replay = ArmReplay(6, EYE, 1.0, stratified=stratified)
        play(replay, 10, 2)
        rng = np.random.default_rng(0)
        same[stratified] = sum(len(set(replay.draw(2, rng)[0].tolist())) == 1 for _ in range(200))
    assert same[True] == 0
    assert 70 < same[False] < 130
