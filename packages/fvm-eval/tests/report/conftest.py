"""A study of eight methods at two sizes, as pictures are drawn of it."""

import pytest
from fvm_eval.analysis import analyse


@pytest.fixture(scope="package")
def study(design):
    return design(families=8, sizes=(100, 1000), tasks=2, seeds=3)


@pytest.fixture(scope="package")
def analysis(study):
    return analyse(study)
