import math
from itertools import permutations

import pytest
from fvm_envs import Task, TaskSet, best_return
from fvm_envs.toy import FAMILIES, best_first_trial_return, best_second_trial_return
from fvm_envs.toy.catch import move, order_of

HIDDEN = TaskSet.parse("toy/hidden-catch/0:24")


def test_sizes():
    assert FAMILIES["catch"].num_tasks == 96
    assert FAMILIES["hidden-catch"].num_tasks == 24
    assert sorted({order_of(task) for task in HIDDEN}) == sorted(permutations(range(4)))


def test_every_task_can_be_won_by_who_knows_it():
    for name, family in FAMILIES.items():
        assert {best_return(Task("toy", name, k)) for k in range(family.num_tasks)} == {1.0}


def test_the_first_trial_of_a_hidden_task_lies_well_below_the_second():
    """One action of four is right at first, a wrong one loses the ball, three tries tell all apart."""
    assert best_first_trial_return(HIDDEN) == 0.25
    assert best_second_trial_return(HIDDEN) == 1.0


def test_knowing_more_helps_in_the_first_trial():
    assert best_first_trial_return(HIDDEN[:1]) == 1.0
    # Both tasks agree on which action moves by -2: balls on the left are caught; for those on the right the
    # player must guess which action moves by +2.
    by_order = {order_of(task): task for task in HIDDEN}
    pair = TaskSet([by_order[0, 1, 2, 3], by_order[0, 1, 3, 2]])
    assert best_first_trial_return(pair) == 0.75
    assert best_second_trial_return(pair) == 1.0


def test_visible_tasks_have_nothing_to_find_out():
    tasks = TaskSet.parse("toy/catch/0:96")
    assert best_first_trial_return(tasks) == best_second_trial_return(tasks) == 1.0


def test_there_is_no_slack_in_hidden_catch():
    """By brute force: of the 64 action sequences exactly one catches the ball, from every start."""
    family, order = FAMILIES["hidden-catch"], order_of(HIDDEN[17])
    for start, ball in family.starts:
        caught = 0
        for actions in ((a, b, c) for a in range(4) for b in range(4) for c in range(4)):
            paddle = start
            for action in actions:
                paddle = move(family, paddle, order[action])
            caught += paddle == ball
        assert caught == 1


def test_walls_hide_nothing_from_three_different_moves():
    family = FAMILIES["hidden-catch"]
    for start, _ in family.starts:
        for tries in permutations(range(4), 3):
            paddle = start
            for effect in tries:
                moved = move(family, paddle, effect)
                assert moved - paddle == family.effects[effect]
                paddle = moved


@pytest.mark.parametrize(
    ("name", "bits", "first"),
    [
        ("hidden-catch", math.log2(24), 0.25),
        # One action alone catches a ball: seen with chance 1/4, else one of three.
        ("one-mark-catch", math.log2(6), 1 / 4 + 3 / 4 / 3),
        ("two-mark-catch", 1.0, 2 / 4 + 2 / 4 / 2),
        ("visible-catch", 0.0, 1.0),
    ],
)
def test_each_mark_that_is_shown_leaves_fewer_orders_open(name, bits, first):
    tasks = TaskSet.parse(f"toy/{name}/0:24")
    assert FAMILIES[name].hidden_bits == pytest.approx(bits)
    assert best_first_trial_return(tasks) == pytest.approx(first)
    assert best_second_trial_return(tasks) == 1.0


def test_one_of_two_marks_is_worth_what_it_rules_out():
    """Orders (0, 1, 2, 3), (0, 1, 3, 2) and (1, 0, 2, 3): the first mark tells the third from the others."""
    by_order = {order_of(task): task.level for task in HIDDEN}
    levels = [by_order[order] for order in ((0, 1, 2, 3), (0, 1, 3, 2), (1, 0, 2, 3))]
    three = TaskSet([Task("toy", "one-mark-catch", level) for level in levels])
    assert best_first_trial_return(three) == pytest.approx((0.75 + 0.75 + 1) / 3)


def test_bad_questions():
    with pytest.raises(ValueError, match="0 to 23"):
        best_return(Task("toy", "hidden-catch", 24))
    with pytest.raises(ValueError, match="exactly one"):
        best_first_trial_return(TaskSet(["toy/catch/0", "toy/hidden-catch/0"]))
    with pytest.raises(ValueError, match="no toy task"):
        best_return(Task("procgen", "maze-easy", 24))


@pytest.mark.parametrize("name", ["hidden-long-catch", "visible-long-catch"])
def test_every_ball_of_a_long_episode_can_be_caught_and_none_without_moving(name):
    tasks = TaskSet.parse(f"toy/{name}/0:24")
    assert {best_return(task) for task in tasks} == {1.0}
    family = FAMILIES[name]
    assert all(abs(paddle - ball) > family.reach + 2 for paddle, ball in family.starts)
    assert all(
        family.reach <= paddle < 14 - family.reach and 0 <= ball < 14 for paddle, ball in family.starts
    )
