"""Keyframe transitions as columns."""

from dataclasses import fields

import numpy as np
from fvm_learners.c2f_arm.transitions import COLUMNS, Context, Transitions, empty_views
from fvm_learners.c2f_arm.views import Eye


def test_columns_are_the_fields_in_their_order_with_the_types_they_say():
    assert list(COLUMNS) == [field.name for field in fields(Transitions)]
    assert [name for name, (_, shape) in COLUMNS.items() if shape] == ["action"]
    for field in fields(Transitions):
        dtype, _ = COLUMNS[field.name]
        assert field.type == f"NDArray[np.{np.dtype(dtype).name if dtype is not np.bool_ else 'bool_'}]"


def test_no_views_are_views_of_none_that_others_can_be_added_to():
    eye = Eye(("front", "wrist"), ("gripper_open",), 3, 5, (1,), False)
    views = empty_views(eye)
    shapes = [np.shape(part) for part in vars(views).values()] if hasattr(views, "__dict__") else None
    expected = [(0, 2, 3, 15), (0, 2, 15), (0, 2, 4, 4), (0, 2, 3, 3), (0, eye.num_low_dim)]
    assert shapes == expected


def test_a_context_is_as_long_as_its_rewards():
    eye = Eye(("front",), (), 2, 2, (), False)
    assert len(Context(empty_views(eye), np.zeros((0, 8), np.float32), np.zeros(0, np.float32))) == 0
