"""What the page ships, from the folder in which it ran: scores, training episodes, costs, page, archive.

uv run python docs/results/atari-plasticity/gather.py FOLDER
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import polars as pl
from study.folder.archive import export_study

HERE = Path(__file__).parent
COPIED = ("results.parquet", "costs.parquet", "report/report.html", "report/report.json", "report/online.png")


def main(folder: Path) -> None:
    """Copies the files of a finished study and the training episodes of its adaptations."""
    for name in COPIED:
        shutil.copyfile(folder / name, HERE / Path(name).name)
    costs = pl.read_parquet(folder / "costs.parquet").filter(kind="adapt")
    told = [
        pl.read_parquet(folder / "jobs" / key[:16] / "online.parquet").with_columns(
            method=pl.lit(method), seed=pl.lit(seed)
        )
        for key, method, seed in costs.select("key", "method", "seed").iter_rows()
    ]
    pl.concat(told).sort("method", "seed", "env_step").write_parquet(HERE / "online.parquet")
    (HERE / "study.tar").unlink(missing_ok=True)
    print(f"{export_study(folder, HERE / 'study.tar')} jobs in study.tar")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
