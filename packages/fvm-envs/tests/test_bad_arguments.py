"""Arguments that would end the process, take all memory or never return are refused beforehand."""

import copy
import gc
import math
import pickle

import numpy as np
import pytest
from fvm_envs import Task, TaskSet, Trials, make_vec
from fvm_envs.atari.env import AtariVec
from fvm_envs.manipulation import ManipulationVec, ObservationConfig
from fvm_envs.procgen.env import ProcgenVec
from fvm_envs.procgen.levels import native_options
from fvm_envs.procgen.native import NativeEnv
from fvm_envs.restarts import Restarts
from fvm_envs.toy import CatchVec


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        (("a", "b", math.nan), TypeError),
        (("a", "b", math.inf), TypeError),
        (("a", "b", 1.0), TypeError),
        (("a", "b", True), TypeError),
        (("a", "b", "3"), TypeError),
        ((1, "b"), TypeError),
        (("a", None), TypeError),
        (("a", "b", -1), ValueError),
        (("a", "b", 10**18), ValueError),
    ],
)
def test_tasks_that_are_none(parts, error):
    with pytest.raises(error):
        Task(*parts)


def test_a_level_of_numpy_is_the_same_task():
    assert Task("a", "b", np.int32(3)) == Task("a", "b", 3)
    assert type(Task("a", "b", np.int64(3)).level) is int


@pytest.mark.parametrize(
    "text",
    [
        "a/b/0:100000000000",
        "a/b/0:1000001",
        "a/b/0:999999,a/c/0:2",
        "a/b/0:" + "9" * 18,
        "a/b/5:999999999999",
    ],
)
def test_a_range_that_is_too_long(text):
    with pytest.raises(ValueError, match="names more than 1,000,000 tasks: give a shorter range"):
        TaskSet.parse(text)


def test_levels_of_too_many_digits():
    for text in ("a/b/" + "1" * 19, "a/b/0:" + "1" * 5000, "a/b/" + "1" * 5000):
        with pytest.raises(ValueError, match="is no task id"):
            TaskSet.parse(text)


HUGE = [10**9, 2**16 + 1, 2**31, 2**63, 10**30]
NO_COUNTS = [2.0, "4", None, True, math.nan, math.inf]
CLASSES = {
    "toy/catch/0:2": (CatchVec, ()),
    "procgen/coinrun-easy/0:2": (ProcgenVec, pytest.mark.procgen),
    "atari/pong": (AtariVec, pytest.mark.atari),
    "rlbench/push_button": (ManipulationVec, pytest.mark.manipulation),
}
EACH = [pytest.param(tasks, kind, marks=marks) for tasks, (kind, marks) in CLASSES.items()]


@pytest.mark.parametrize(("tasks", "kind"), EACH)
def test_numbers_of_slots(tasks, kind):
    for num in (*HUGE, 0, -1):
        for make in (make_vec, lambda tasks, *rest: kind(TaskSet.parse(tasks), *rest)):
            with pytest.raises(ValueError, match=f"num_envs is {num}: give 1 to "):
                make(tasks, num, 0)
    for value in NO_COUNTS:
        with pytest.raises(TypeError, match=r"num_envs is .*: give a whole number"):
            kind(TaskSet.parse(tasks), value, 0)


BAD_OPTIONS = {
    "procgen/coinrun-easy/0:2": [
        {"num_threads": 100_000},
        {"num_threads": -1},
        {"num_threads": 1.5},
        {"use_backgrounds": "x"},
        {"use_backgrounds": 1},
        {"use_backgrounds": None},
        {"restrict_themes": 2},
        {"restrict_themes": np.array([True])},
        {"actions": "all"},
    ],
    "atari/pong": [
        {"frame_stack": 10**9},
        {"num_threads": 10**6},
        {"noop_max": 2**31},
        {"max_frames": 2**31},
        {"max_frames": math.inf},
        {"fire_reset": "no"},
        {"repeat_action_probability": math.nan},
    ],
    "toy/catch/0:2": [{"cell_pixels": 10**6}, {"cell_pixels": math.nan}, {"cell_pixels": "6"}],
    "rlbench/push_button": [
        {"image_size": 10**6},
        {"image_size": (16, 10**9)},
        {"num_processes": 10**6},
        {"episode_length": math.inf},
        {"collision_checking": "x"},
    ],
}


@pytest.mark.parametrize(("tasks", "kind"), EACH)
def test_options_of_every_benchmark(tasks, kind):
    shared = [{"episode_stats": "yes"}, {"episode_stats": 1}, {"autoreset": "disabled"}, {"autoreset": None}]
    for options in BAD_OPTIONS[tasks] + shared:
        ((name, _),) = options.items()
        with pytest.raises((ValueError, TypeError), match=name.split("_")[0].rstrip("s")):
            make_vec(tasks, 2, 0, **options)


@pytest.mark.procgen
@pytest.mark.parametrize(
    "wrong",
    [
        {"game": "pacman"},
        {"num_envs": 10**6},
        {"rand_seed": 2**31},
        {"num_threads": 257},
        {"render": 3},
        {"options": {"distribution_mode": 2}},
        {"options": {"distribution_mode": 7}},
        {"options": {"distribution_mode": True}},
        {"options": {"use_backgrounds": 5}},
        {"options": {"no_such_option": True}},
    ],
)
def test_nothing_wrong_reaches_the_library(wrong):
    right = {"use_backgrounds": True, "distribution_mode": 0}
    game, num_envs = wrong.pop("game", "coinrun"), wrong.pop("num_envs", 1)
    options = {**right, **wrong.pop("options", {})}
    with pytest.raises((ValueError, TypeError)):
        NativeEnv(game, num_envs, options, **wrong)


@pytest.mark.procgen
def test_a_copy_of_a_procgen_environment_is_refused_without_noise(capsys):
    native = NativeEnv("maze", 1, native_options("easy", use_backgrounds=True, restrict_themes=False))
    envs = make_vec("procgen/maze-easy/0:2", 1, 0)
    lifetimes = make_vec("procgen/maze-easy/0:2", 1, 0, trials=2)
    for made in (native, envs, lifetimes):
        for copied in (copy.deepcopy, copy.copy, pickle.dumps):
            if made is lifetimes and copied is copy.copy:
                continue
            with pytest.raises(
                TypeError, match=r"cannot be copied: load its state_dict\(\) into a fresh one"
            ):
                copied(made)
    gc.collect()
    envs.reset()
    envs.step(np.array([0]))
    for made in (native, envs, lifetimes):
        made.close()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("tasks", "kind"), EACH)
def test_a_closed_environment_says_so(tasks, kind):
    envs = make_vec(tasks, 1, 0)
    envs.reset()
    action = envs.action_space.sample()
    state = envs.state_dict() if envs.saves_state else {}
    envs.close()
    calls = {
        "step": lambda: envs.step(action),
        "reset": envs.reset,
        "show": lambda: envs.reset(options={"reset_mask": np.zeros(1, dtype=bool)}),
        "render": envs.render,
        "save": envs.state_dict,
        "load": lambda: envs.load_state_dict(state),
    }
    for call in calls.values():
        with pytest.raises(RuntimeError, match="the environment is closed: make a new one"):
            call()


def test_other_counts():
    toys = make_vec("toy/catch/0:2", 2, 0, on_episode_end="stay")
    for every in (math.nan, 2.0, "8", True):
        with pytest.raises(TypeError, match="every is"):
            Restarts(toys, 0, every)
    for trials in (math.nan, -1, 0, 1.5):
        with pytest.raises(ValueError, match="trials is"):
            Trials(toys, 0, trials=trials)
    with pytest.raises(ValueError, match="1 to 4096 pixels"):
        ObservationConfig(image_size=(4097, 8))


@pytest.mark.parametrize("seed", [None, 1.0, "1", [1, 2], True])
def test_envs_are_made_with_a_seed(seed):
    """Without one all slots of an environment of one's own played the same episodes."""
    with pytest.raises(TypeError, match=r"^seed is .*: give a whole number"):
        make_vec("toy/catch/0:4", 2, seed)


@pytest.mark.parametrize("seed", [-1, [0, -1]])
def test_no_seed_is_below_zero(seed):
    envs = make_vec("toy/catch/0:4", 2, np.int64(3))
    with pytest.raises(ValueError, match=r"^seed is -1: give a whole number of 0 or more"):
        envs.reset(seed=seed)
    with pytest.raises(TypeError, match=r"^seed is 1\.5: give a whole number"):
        envs.reset(seed=1.5)
