"""One slot that plays in RLBench, on the stand-in: episodes, endings, and what cannot be."""

import numpy as np
import pytest
from fvm_envs.manipulation.observation import ObservationConfig
from fvm_envs.rlbench.slot import RESETS, RLBenchSlot

pytestmark = pytest.mark.usefixtures("standin")


@pytest.fixture
def make():
    made = []

    def build(length=3, **options):
        config = ObservationConfig(**{"image_size": (8, 12), "cameras": ("front",), **options})
        made.append(RLBenchSlot(config, length, False))
        made[-1].seed([7])
        return made[-1]

    yield build
    for slot in made:
        slot.close()


def action(x=0.2, *, quaternion=(0, 0, 0, 1), opened=1.0):
    return np.array([x, 0, 1.0, *quaternion, opened], dtype=np.float64)


def test_an_episode_is_cut_after_its_length_and_time_runs_from_1_to_minus_1(make):
    slot = make(length=3)
    times = [slot.begin("reach_target", 0)["time"][0]]
    ends = []
    for _ in range(3):
        transition = slot.step(action())
        times.append(transition.obs["time"][0])
        ends.append((transition.terminated, transition.truncated, transition.failure))
    assert times == pytest.approx([1, 0, -1, -1])  # the last action sees -1
    assert ends == [(False, False, ""), (False, False, ""), (False, True, "")]
    slot.begin("reach_target", 0)
    assert not slot.step(action()).truncated  # a new episode has all its steps


def test_a_seed_is_an_episode_and_without_one_each_is_another(make):
    """One simulator a process: the second slot plays when the first is closed."""
    one = make()
    seeded = one.begin("reach_target", 0, seed=3)["front_rgb"]
    drawn = [one.begin("reach_target", 0)["front_rgb"] for _ in range(2)]
    assert not np.array_equal(*drawn)
    one.close()
    other = make()
    assert np.array_equal(other.begin("reach_target", 0, seed=3)["front_rgb"], seeded)
    assert np.array_equal(other.begin("reach_target", 0)["front_rgb"], drawn[0])


def test_a_quaternion_need_not_have_length_1_and_the_gripper_opens_or_closes(make):
    slot = make()
    slot.begin("reach_target", 0)
    pose = slot.step(action(quaternion=(0, 3, 0, 4), opened=0.51)).obs
    assert pose["gripper_pose"][3:] == pytest.approx([0, 0.6, 0, 0.8])
    assert pose["gripper_open"].tolist() == [1]


def test_an_observation_holds_what_was_asked_for(make):
    obs = make(rgb=False, point_cloud=True).begin("reach_target", 0)
    assert "front_rgb" not in obs
    assert obs["front_point_cloud"].shape == (8, 12, 3)
    assert all(array.dtype == np.float32 for array in obs.values())


def test_what_is_no_task_or_variation_is_named(make):
    slot = make()
    with pytest.raises(ValueError, match="RLBench has no task 'make_tea'"):
        slot.begin("make_tea", 0)
    count = slot.begin("reach_target", 0) and slot._task.variation_count()
    with pytest.raises(ValueError, match=f"reach_target has {count} variations, 0 to {count - 1}"):
        slot.begin("reach_target", count)


def test_a_task_without_a_place_is_given_up_after_so_many_resets(make, monkeypatch):
    slot = make()
    slot.begin("reach_target", 0)
    tries = []

    def nowhere():
        tries.append(None)
        raise slot._not_placed("no place")

    monkeypatch.setattr(slot._task, "reset", nowhere)
    with pytest.raises(RuntimeError, match=f"found no place for reach_target in {RESETS} resets"):
        slot.begin("reach_target", 0)
    assert len(tries) == RESETS


def test_the_simulator_s_state_cannot_be_saved_and_a_video_needs_its_camera(make):
    slot = make(rgb=False)
    slot.begin("reach_target", 0)
    for cannot in (slot.state, lambda: slot.check({}), lambda: slot.load({})):
        with pytest.raises(NotImplementedError, match="cannot save its state: start again from a reset"):
            cannot()
    with pytest.raises(ValueError, match="a video shows what a camera sees: observe the rgb of one"):
        slot.frame()
    slot.close()
    other = make(cameras=("wrist",))
    other.begin("reach_target", 0)
    assert other.frame().shape == (8 * 64, 12 * 64, 3)
    other.close()
    shown = make()
    shown.begin("reach_target", 0)
    assert shown.frame().shape == (8 * 64, 12 * 64, 3)  # 512 rows at least
