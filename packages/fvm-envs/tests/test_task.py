import hashlib

import pytest
from fvm_envs import Task, TaskSet


def test_an_id_and_its_task():
    for id in ("procgen/coinrun-easy/17", "atari/pong"):
        assert Task.parse(id).id == id == str(Task.parse(id))
    assert Task.parse("atari/pong") == Task("atari", "pong")
    assert Task.parse("procgen/maze-hard/0") == Task("procgen", "maze-hard", 0)
    assert sorted([Task("b", "x", 10), Task("b", "x", 9), Task("a", "y", 1)])[0].benchmark == "a"


@pytest.mark.parametrize("id", ["", "procgen", "a/b/c", "a/b/-1", "a/b/1/2", "A/b", "a//1", "a/b/1:2"])
def test_what_is_no_id(id):
    with pytest.raises(ValueError, match="id"):
        Task.parse(id)


def test_tasks_are_ordered_by_benchmark_name_and_level_a_name_alone_first():
    ids = ["atari/pong", "rlbench/open_door", "rlbench/pick_up_cup", "rlbench/pick_up_cup/0"]
    ids += ["rlbench/pick_up_cup/3", "rlbench/pick_up_cup/12", "toy/catch/1"]
    tasks = [Task.parse(id) for id in ids]
    assert sorted([*tasks[3:], *tasks[:3]]) == tasks
    assert tasks[2] <= tasks[2] < tasks[3]
    assert tasks[5] >= tasks[4] > tasks[2]
    with pytest.raises(TypeError, match="not supported between instances of 'Task' and 'str'"):
        assert tasks[0] < "atari/pong"


def test_negative_levels_do_not_exist():
    with pytest.raises(ValueError, match="level -1 of a/b is out of range: levels start at 0"):
        Task("a", "b", -1)


def test_ranges_and_lists():
    tasks = TaskSet.parse("procgen/coinrun-easy/100:103, toy/catch/5,atari/pong")
    assert tasks.ids == (
        "procgen/coinrun-easy/100",
        "procgen/coinrun-easy/101",
        "procgen/coinrun-easy/102",
        "toy/catch/5",
        "atari/pong",
    )
    assert tasks.index(Task("toy", "catch", 5)) == tasks.index("toy/catch/5") == 3
    assert "toy/catch/5" in tasks
    assert Task("toy", "catch", 6) not in tasks
    assert tasks[1:3] == TaskSet.parse("procgen/coinrun-easy/101:103")


def test_a_set_is_hashable_and_its_hash_is_that_of_its_ids():
    tasks = TaskSet(["a/b/1", "a/c"])
    assert {tasks: 1}[TaskSet([Task("a", "b", 1), Task("a", "c")])] == 1
    assert tasks.sha256 == hashlib.sha256(b'["a/b/1","a/c"]').hexdigest()
    assert tasks != TaskSet(["a/c", "a/b/1"])


@pytest.mark.parametrize(
    ("text", "message"),
    [("a/b/5:5", "half-open"), ("a/b/1,a/b/0:2", "a/b/1 occurs twice"), ("a/b/1,", "no task id")],
)
def test_bad_lists(text, message):
    with pytest.raises(ValueError, match=message):
        TaskSet.parse(text)


def test_unknown_task():
    with pytest.raises(ValueError, match="a/b/9 is not in this set of 3 tasks"):
        TaskSet.parse("a/b/0:3").index("a/b/9")
