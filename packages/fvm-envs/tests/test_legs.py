"""AppleRetrieval's tasks as legs, against the paper's rules; and what is no task of it."""

import pytest
from fvm_envs.apple.legs import BACK, OUT, TASKS, WRONG_BACK, legs_of
from fvm_envs.task import Task


def test_on_each_leg_one_sees_the_opposite_of_where_to_go():
    """Appendix A.2: -c on the way out and to the right, +c on the way back and to the left (1 is right)."""
    assert [(leg.sign, leg.right) for leg in (OUT, BACK)] == [(-1, 1), (1, 0)]
    assert (OUT.far, BACK.far) == (False, True)  # an agent that was pretrained on the way back knows it


def test_the_bad_teacher_s_leg_turns_only_the_rewards_round_and_never_ends():
    assert (WRONG_BACK.sign, WRONG_BACK.far) == (BACK.sign, BACK.far)
    assert WRONG_BACK.right == 1 - BACK.right
    assert (WRONG_BACK.ends, BACK.ends, OUT.ends) == (False, True, True)


def test_the_control_is_the_task_in_the_other_order():
    assert TASKS["back-and-out"] == TASKS["out-and-back"][::-1]
    assert TASKS["back"] == TASKS["out-and-back"][1:]


@pytest.mark.parametrize("cells", [1, 30, 10**6])
def test_a_task_s_level_is_how_long_its_legs_are(cells):
    assert legs_of(Task("apple", "out-and-back", cells)) == ((OUT, BACK), cells)


@pytest.mark.parametrize(
    "task",
    [
        Task("toy", "back", 3),
        Task("apple", "forth", 3),
        Task("apple", "back", 0),
        Task("apple", "back", None),
        Task("apple", "back", 10**6 + 1),
    ],
    ids=lambda task: task.id,
)
def test_all_else_is_told_what_there_is(task):
    with pytest.raises(ValueError, match="is no task of AppleRetrieval: the tasks are apple/out-and-back/M,"):
        legs_of(task)
