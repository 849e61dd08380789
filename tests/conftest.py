"""Tests of several packages together: all of them belong to the `e2e` session, whoever forgets the mark."""

from pathlib import Path

import numpy as np
import pytest
from fvm_envs.toy.catch import FAMILIES


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.path.name != "test_readme.py":
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def latin_tasks():
    """Returns a function of a family of Catch with four moves."""

    def tasks_of(family):
        """Four tasks: four different actions move the paddle 2 to the left, and four 2 to the right."""
        levels = (0, 21, 8, 18)
        orders = np.array([FAMILIES[family].orders[level] for level in levels])
        assert all(len(set(actions)) == 4 for actions in orders.argsort(1).T)
        return [f"toy/{family}/{level}" for level in levels]

    return tasks_of
