"""Tests of several packages together: all of them belong to the `e2e` session, whoever forgets the mark."""

from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.path.name != "test_readme.py":
            item.add_marker(pytest.mark.e2e)
