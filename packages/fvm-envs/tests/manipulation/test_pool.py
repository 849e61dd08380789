"""Slots here and in other processes: the same answers, errors told, the dead named."""

import pytest
from fvm_envs.manipulation.pool import Here, Processes


def test_slots_here_keep_a_state_each():
    pool = Here(list, 3)
    assert pool.call("append", {0: (1,), 2: (5,)}) == {0: None, 2: None}
    assert pool.call("append", {2: (6,)}) == {2: None}
    assert list(pool.call("__len__", {2: (), 0: (), 1: ()}).items()) == [(2, 2), (0, 1), (1, 0)]
    pool.close()


def test_processes_answer_as_slots_here_do_and_say_what_went_wrong():
    """Slots 0 and 2 share a process; one that dies forgets, and takes its neighbour's state with it."""
    pool = Processes(list, 3, 2)
    try:
        assert pool.call("append", {0: (1,), 2: (5,)}) == {0: None, 2: None}
        assert list(pool.call("__len__", {2: (), 0: (), 1: ()}).items()) == [(2, 1), (0, 1), (1, 0)]
        with pytest.raises(ValueError, match="7 is not in list"):
            pool.call("index", {0: (7,), 2: (5,)})
        assert pool.call("index", {2: (5,)}) == {2: 0}  # it goes on
        pool._processes[0].kill()
        pool._processes[0].join()
        assert pool.try_call("__len__", {0: (), 1: ()}) == ({1: 0}, [0])
        pool.restart(0)
        assert pool.call("__len__", {0: (), 2: ()}) == {0: 0, 2: 0}
        pool._processes[1].kill()
        pool._processes[1].join()
        with pytest.raises(RuntimeError, match="died: make the environment anew"):
            pool.call("__len__", {1: ()})
    finally:
        pool.close()
        pool.close()
