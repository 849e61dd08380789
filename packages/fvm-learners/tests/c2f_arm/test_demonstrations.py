"""Demonstrations as transitions: where episodes start, what they lead to, which ones are refused."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from fvm_learners.c2f_arm import C2FARM, Demonstration
from fvm_learners.c2f_arm.demonstrations import Move, moves_of


def moving(num, stops=()):
    speed = np.full((num, 7), 0.5)
    speed[list(stops)] = 0.05
    return speed


def pose(*where):
    out = np.zeros((len(where), 7))
    out[:, 0], out[:, 6] = where, 1.0
    return out


def make(envs, config, **options):
    return C2FARM(
        envs.single_observation_space, envs.single_action_space, config, seed=0, episode_length=3, **options
    )


class Wrist:
    """Envs as `ball` makes them, whose camera is called wrist."""

    def __init__(self, envs):
        renamed = {name.replace("front", "wrist"): box for name, box in envs.single_observation_space.items()}
        self.single_observation_space = gym.spaces.Dict(renamed)
        self.single_action_space = envs.single_action_space


@pytest.mark.parametrize("solves", [True, False])
def test_merging_is_taken_back_where_it_does_not_solve_the_episode(solves):
    gripper = np.array([1.0] * 8 + [0.0] * 8)
    poses = pose(*np.linspace(0, 0.5, 7), *[0.5] * 3, *np.linspace(0.5, 0.2, 6))
    asked = []

    def solved_by(actions):
        asked.append(actions)
        return solves

    frames = {"gripper_pose": poses, "gripper_open": gripper, "joint_velocities": moving(16, stops=[6, 7])}
    demo = Demonstration(frames, lambda frame, time: {}, solved_by)
    assert demo.chosen_keyframes(merge=False) == (6, 8, 15)
    assert demo.chosen_keyframes(merge=True) == ((8, 15) if solves else (6, 8, 15))
    assert asked[0].tolist() == demo.actions((8, 15)).tolist()
    assert asked[0][:, 7].tolist() == [0.0, 0.0]


def test_episodes_start_at_every_third_frame_and_end_at_the_last_keyframe():
    moves = moves_of((4, 7), start_every=3)
    assert moves == [
        Move(0, 4, 0, False),
        Move(4, 7, 1, True),
        Move(3, 4, 0, False),
        Move(4, 7, 1, True),
        Move(6, 7, 0, True),
    ]


def test_a_demonstration_says_what_it_lacks():
    with pytest.raises(ValueError, match="frames lack gripper_open, joint_velocities"):
        Demonstration({"gripper_pose": pose(0, 1)}, lambda frame, time: {})


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"gripper_open": np.ones(3)}, r"gripper_open \(3,\), joint_velocities \(4, 7\): give \[T, 7\]"),
        ({"gripper_open": np.ones((4, 2))}, r"have shapes gripper_pose \(4, 7\), gripper_open \(4, 2\)"),
        ({"gripper_pose": np.ones((4, 3))}, r"have shapes gripper_pose \(4, 3\)"),
        ({"joint_velocities": np.ones((5, 7))}, r"joint_velocities \(5, 7\)"),
        ({"gripper_pose": np.full((4, 7), np.nan)}, "holds what is no pose: give finite numbers"),
        ({"gripper_pose": np.eye(4, 7)}, "quaternions xyzw that are not zero"),
    ],
)
def test_frames_that_are_none(changed, why):
    frames = {"gripper_pose": pose(0, 1, 2, 3), "gripper_open": np.ones(4), "joint_velocities": moving(4)}
    Demonstration(frames, lambda frame, time: {})
    with pytest.raises(ValueError, match=why):
        Demonstration({**frames, **changed}, lambda frame, time: {})


@pytest.mark.parametrize("keyframes", [(), (0,), (-1,), (2, 4), (3, 2), (2, 2), (1.0,), (True, 2)])
def test_keyframes_that_are_none(keyframes):
    frames = {"gripper_pose": pose(0, 1, 2, 3), "gripper_open": np.ones(4), "joint_velocities": moving(4)}
    Demonstration(frames, lambda frame, time: {}, keyframes=(1, np.int64(3)))
    with pytest.raises(ValueError, match=r"of a demonstration of 4 frames: give at least one index, from 1"):
        Demonstration(frames, lambda frame, time: {}, keyframes=keyframes)


def test_demonstrations_of_another_camera_or_kind(ball, demos, tiny):
    learner = make(Wrist(ball()), replace(tiny, cameras=("wrist",)))
    with pytest.raises(ValueError, match="these observations have no wrist_rgb"):
        learner.add_demonstrations(demos(1))
    with pytest.raises(TypeError, match=r"is a dict: give Demonstration\.of\(demo\)"):
        learner.add_demonstrations([{"frames": []}])
    with pytest.raises(TypeError, match="a dict is no recorded demonstration: it has no frames, keyframes"):
        Demonstration.of({})


def test_demonstrations_of_a_task_that_is_not_there(ball, demos, tiny):
    with pytest.raises(ValueError, match="there is no task 2: this learner has tasks 0 to 1"):
        make(ball(), tiny, num_tasks=2).add_demonstrations(demos(1), task=2)


def test_an_inserted_demonstration_by_hand(ball, demos, tiny):
    """Keyframes 5 and 11, a start at every third frame; an episode of 3 steps has times 1, 0, -1."""
    agent = make(ball(), tiny)
    agent.add_demonstrations(demos(1, keyframes=(5, 11)))
    replay = agent.replays[0]
    assert replay.num_frames == 6  # 0, 3, 5, 6, 9 and 11, each once
    assert replay.num_demonstrated == replay.num_transitions == 6
    moves = replay.transitions(np.flatnonzero(replay._tree.priorities > 0))
    assert moves.frame.tolist() == [0, 2, 1, 2, 3, 4]  # rows, in the order of frames
    assert moves.next_frame.tolist() == [2, 5, 2, 5, 5, 5]
    assert moves.reward.tolist() == [0, 1, 0, 1, 1, 1]
    assert moves.done.tolist() == [False, True, False, True, True, True]
    assert moves.time.tolist() == [1, 0, 1, 0, 1, 1]
    assert moves.next_time.tolist() == [0, -1, 0, -1, 0, 0]
    assert moves.demonstrated.all()
    assert moves.from_demo.all()
    above, down = moves.action[0], moves.action[1]
    np.testing.assert_allclose(above[:3] - down[:3], [0, 0, 0.2], atol=1e-6)


def test_a_recorded_demonstration_keeps_its_keyframes_and_observes_at_a_time(demos):
    class Recorded:
        frames, keyframes = demos(1).pop().frames, [5, 11]

        def observation(self, frame, *, time):
            return {"frame": frame, "time": time}

    demonstration = Demonstration.of(Recorded())
    assert demonstration.chosen_keyframes(merge=True) == (5, 11)
    assert demonstration.observe(7, -0.5) == {"frame": 7, "time": -0.5}
    assert len(demonstration) == 12


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("gripper_open", np.linspace(0.0, 0.08, 12), "other numbers than 0 .closed. and 1 .open."),
        ("gripper_open", np.full(12, np.nan), "other numbers than 0 .closed. and 1 .open."),
        ("joint_velocities", np.full((12, 7), np.nan), "joint_velocities are not finite"),
    ],
)
def test_frames_that_would_give_other_keyframes_than_meant(demos, name, values, why):
    (demo,) = demos(1)
    with pytest.raises(ValueError, match=why):
        replace(demo, frames={**demo.frames, name: values})


def test_a_keyframe_off_the_grid_is_refused(ball, demos, tiny):
    (demo,) = demos(1, keyframes=(5, 11))
    pose = demo.frames["gripper_pose"].copy()
    pose[11, 0] = 0.8
    agent = make(ball(), tiny)
    with pytest.raises(ValueError, match=r"keyframe 11 of a demonstration is at \[0\.8, .*set bounds"):
        agent.add_demonstrations([replace(demo, frames={**demo.frames, "gripper_pose": pose})])
    assert agent.replays[0].num_frames == 0


def test_a_demonstration_that_has_no_room_leaves_the_replay_as_it_was(ball, demos, tiny):
    agent = make(ball(), replace(tiny, replay_capacity=10))
    first, second = demos(2, keyframes=(5, 11))
    agent.add_demonstrations([first])  # six frames
    with pytest.raises(ValueError, match="has 4 left beside demonstrations, too few for another one of 6"):
        agent.add_demonstrations([second])
    assert agent.replays[0].num_frames == 6
    assert agent.replays[0].num_transitions == 6
