import pytest
from fvm_envs import Task, TaskSet, make_vec


def test_tasks_come_as_text_list_or_set():
    for tasks in (TaskSet.parse("toy/catch/0:3"), ["toy/catch/0", Task("toy", "catch", 1)], "toy/catch/0:3"):
        assert make_vec(tasks, 2, 0).num_envs == 2


@pytest.mark.parametrize(
    ("tasks", "options", "message"),
    [
        ([], {}, "exactly one"),
        (["toy/catch/0", "procgen/maze-easy/0"], {}, r"\['procgen', 'toy'\]"),
        ("chess/queens/1", {}, "no benchmark 'chess': the benchmarks are procgen, atari, rlbench, toy"),
        ("toy/catch/96", {}, "toy/catch has the tasks 0 to 95"),
        ("toy/katch/1", {}, "catch or hidden-catch"),
        ("toy/catch/1,toy/hidden-catch/1", {}, "one family"),
        ("toy/catch/1", {"on_episode_end": "stop"}, "'resample' or 'stay'"),
    ],
)
def test_bad_tasks(tasks, options, message):
    with pytest.raises(ValueError, match=message):
        make_vec(tasks, 1, 0, **options)


def test_at_least_one_slot():
    with pytest.raises(ValueError, match="num_envs is 0"):
        make_vec("toy/catch/1", 0, 0)
