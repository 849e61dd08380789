import importlib.util

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "procgen: needs Procgen's wheel")
    config.addinivalue_line("markers", "manipulation: needs MuJoCo")
    config.addinivalue_line("markers", "coppeliasim: needs RLBench, PyRep and CoppeliaSim")


def pytest_runtest_setup(item):
    if item.get_closest_marker("procgen") and importlib.util.find_spec("procgen") is None:
        pytest.skip("Procgen's wheel is not installed here")
    if item.get_closest_marker("manipulation") and importlib.util.find_spec("mujoco") is None:
        pytest.skip("MuJoCo is not installed here")
    if item.get_closest_marker("coppeliasim") and importlib.util.find_spec("rlbench") is None:
        pytest.skip("RLBench is not installed here")
