import numpy as np
import polars as pl
import pytest


@pytest.fixture
def cells():
    def cells(values, name="m", folds=None, tasks=None):
        """One method's cells from values [checkpoints, tasks]."""
        values = np.asarray(values, float)
        rows = [
            (
                0 if folds is None else folds[c],
                f"{name}/{c}",
                f"t{t}" if tasks is None else tasks[c][t],
                values[c, t],
            )
            for c in range(values.shape[0])
            for t in range(values.shape[1])
        ]
        return pl.DataFrame(rows, schema=["fold", "checkpoint", "task", "value"], orient="row")

    return cells
