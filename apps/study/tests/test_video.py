from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from study.config import StudyConfig
from study.errors import StudyError
from study.folder.store import Store
from study.jobs.environments import make_envs
from study.jobs.video import FRAME_MS, SIZE, agents_that_play, play, write_videos
from study.plan import Plan


def frames_of(path: Path) -> list[np.ndarray]:
    with Image.open(path) as gif:
        frames = []
        for i in range(gif.n_frames):
            gif.seek(i)
            frames.append(np.asarray(gif.convert("RGB")))
        assert gif.info["loop"] == 0
        assert gif.info["duration"] in (FRAME_MS, FRAME_MS // 10 * 10)
    return frames


@pytest.fixture
def store(small_done: tuple[Plan, Store], tmp_path: Path) -> Store:
    shutil.copytree(small_done[1].root, tmp_path / "s")
    return Store(tmp_path / "s")


def test_each_method_plays_a_held_out_task(
    small: StudyConfig, small_done: tuple[Plan, Store], store: Store
) -> None:
    paths = write_videos(small, small_done[0], store, "toy/catch/84")
    assert sorted(path.name for path in paths) == ["multitask-toy-catch-84.gif", "scratch-toy-catch-84.gif"]
    for path in paths:
        frames = frames_of(path)
        assert frames[0].shape == (SIZE + 16, SIZE, 3)
        assert 2 <= len(frames) <= 8  # every second of 13 steps; equal ones are merged
        assert any((frames[0] != frame).any() for frame in frames[1:])  # something moves
        assert 500 < path.stat().st_size < 500_000


def test_the_pretrained_agent_plays_any_other_task(
    small: StudyConfig, small_done: tuple[Plan, Store]
) -> None:
    (job,) = agents_that_play(small, small_done[0], "toy/catch/3")
    assert (job.kind, job.method) == ("pretrain", "multitask")


@pytest.mark.parametrize(
    "task", ["toy/catch", "toy/catch/96", "toy/hidden-catch/1", "procgen/coinrun-easy/1", "x"]
)
def test_a_task_that_nobody_plays_is_refused(
    small: StudyConfig, small_done: tuple[Plan, Store], task: str
) -> None:
    with pytest.raises(StudyError, match=task):
        agents_that_play(small, small_done[0], task)


def test_the_same_episode_every_time(small: StudyConfig, small_done: tuple[Plan, Store]) -> None:
    from study.jobs.agents import restore

    plan, store = small_done
    job = next(job for job in plan.jobs if job.kind == "adapt")
    policy = restore(job, store, "cpu").policy
    envs = [make_envs("toy", ["toy/catch/84"], 1, 0, **small.env_options) for _ in range(2)]
    episodes = [play(policy, made) for made in envs]
    assert episodes[0][1] == episodes[1][1]
    assert all(np.array_equal(a, b) for a, b in zip(episodes[0][0], episodes[1][0], strict=True))
    assert episodes[0][0][0].dtype == np.uint8


class ToAndFro:
    """A policy that moves the arm to one side and back."""

    def initial_state(self, num_envs: int) -> float:
        return 0.2

    def act(self, obs: object, state: float, start: object, rngs: object) -> tuple[np.ndarray, float]:
        return np.array([[0.3, state, 1.0, 1, 0, 0, 0, 1]], dtype=np.float32), -state


def test_manipulation_is_shown_in_motion_and_not_where_a_step_ends() -> None:
    envs = make_envs("rlbench", ["rlbench/lamp_on"], 1, 0, cameras=[], episode_length=2)
    frames, return_ = play(ToAndFro(), envs)
    assert return_ == 0
    assert len(frames) > 10  # every .08 s of two motions; every second step would be one
    assert all((one != two).any() for one, two in pairwise(frames[:6]))
