import importlib.util

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "procgen: needs Procgen's wheel")


def pytest_runtest_setup(item):
    if item.get_closest_marker("procgen") and importlib.util.find_spec("procgen") is None:
        pytest.skip("Procgen's wheel is not installed here")
