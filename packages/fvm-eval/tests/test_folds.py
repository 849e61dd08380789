import hashlib

import numpy as np
import pytest
from fvm_eval.folds import Fold, OverlapError, fixed, k_fold, leave_one_out, nested_train_sets

TASKS = [f"t/{i}" for i in range(7)]


def test_overlap_names_the_ids():
    with pytest.raises(OverlapError, match="train and held_out share t/1, t/2;"):
        Fold(("t/0", "t/1", "t/2"), (), ("t/2", "t/1"))
    with pytest.raises(OverlapError, match="validation and held_out share t/5"):
        fixed(TASKS[:3], TASKS[5:], validation=TASKS[4:6])
    with pytest.raises(OverlapError, match="train lists t/0 more than once"):
        Fold(("t/0", "t/0"), (), ("t/1",))
    with pytest.raises(OverlapError, match=r"share .* and 15 more"):
        fixed([f"{i}" for i in range(20)], [f"{i}" for i in range(20)])
    with pytest.raises(ValueError, match="without held-out"):
        Fold(("t/0",), (), ())


def test_hash_is_of_the_canonical_json_and_feels_every_part():
    fold = Fold(("a",), ("b",), ("c",))
    text = '{"held_out":["c"],"train":["a"],"validation":["b"]}'
    assert fold.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert len({fold.sha256, Fold(("b",), ("a",), ("c",)).sha256, Fold(("a",), (), ("c",)).sha256}) == 3


@pytest.mark.parametrize("rng", [None, np.random.default_rng(0)])
@pytest.mark.parametrize("k", [2, 3, 7])
def test_k_fold_holds_each_task_out_once(k, rng):
    folds = k_fold(TASKS, k, validation=1, rng=rng)
    assert sorted(task for fold in folds for task in fold.held_out) == TASKS
    assert all(sorted(f.train + f.validation + f.held_out) == TASKS for f in folds)
    assert {len(f.validation) for f in folds} == {1}
    sizes = [len(fold.held_out) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


def test_leave_one_out():
    folds = leave_one_out(TASKS, held_out=["t/6", "t/0"], validation=2)
    assert [fold.held_out for fold in folds] == [("t/6",), ("t/0",)]
    assert folds[0].validation == ("t/0", "t/1")
    assert len(leave_one_out(TASKS)) == 7


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="8 folds of 7 tasks"):
        k_fold(TASKS, 8)
    with pytest.raises(ValueError, match="leaves nothing to train on"):
        leave_one_out(TASKS, validation=6)
    with pytest.raises(ValueError, match="names x"):
        leave_one_out(TASKS, held_out=["x"])
    with pytest.raises(ValueError, match="training set of 8"):
        nested_train_sets(TASKS, [8], np.random.default_rng(0))


def test_training_sets_are_nested_and_redrawn_per_seed():
    pool = [f"l/{i}" for i in range(200)]
    large, small, middle = nested_train_sets(pool, [100, 5, 20], np.random.default_rng(3))
    assert set(small) < set(middle) < set(large)
    assert [len(small), len(middle), len(large)] == [5, 20, 100]
    assert nested_train_sets(pool, [20], np.random.default_rng(3)) == [middle]
    assert nested_train_sets(pool, [20], np.random.default_rng(4)) != [middle]


@pytest.mark.parametrize(
    "parts", [("abc", (), ("d",)), (("a",), (), "d"), (("a", 1), (), ("d",)), (("",), (), ("d",))]
)
def test_a_text_is_no_list_of_tasks(parts):
    with pytest.raises(ValueError, match="tuple of task ids"):
        Fold(*parts)


def test_lists_become_tuples_so_that_a_fold_can_be_hashed():
    assert Fold(["a"], [], ["b"]) == Fold(("a",), (), ("b",))
    assert len({Fold(["a"], [], ["b"]), Fold(("a",), (), ("b",))}) == 1


def test_a_pool_that_names_a_task_twice_is_refused():
    rng = np.random.default_rng(0)
    for make in (
        lambda tasks: nested_train_sets(tasks, [1], rng),
        lambda tasks: k_fold(tasks, 2),
        lambda tasks: leave_one_out(tasks),
    ):
        with pytest.raises(OverlapError, match="a more than once"):
            make(["a", "a", "b"])
        with pytest.raises(ValueError, match="one text"):
            make("abc")
    for size in (1.5, True, float("nan")):
        with pytest.raises(ValueError, match="whole number"):
            nested_train_sets(["a", "b"], [size], rng)
