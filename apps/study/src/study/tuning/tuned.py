"""What a study takes over from its tuning by a grid: settings, the grid, the chosen points, their tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from study.config import Settings, StudyConfig
from study.errors import StudyError, writing
from study.folder.files import Damaged, read_bytes, read_json, write_bytes
from study.folder.tables import table_at
from study.results.evidence import SHIPPED
from study.tuning.grid import WHILE_ADAPTING

TUNED = "tuned.json"
TABLES = ("responses.parquet", "curves.parquet", "spent.parquet")


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What a study takes over from its tuning.

    Attributes:
        grid: Its axes, as far as they were widened.
        settings: Of pretrainings whose own settings were chosen.
        chosen: By method, its best point.
        env_steps: What each method might take at last; 0 where the tuning does not say.
        unsure: Methods whose neighbouring points were not told apart when it ended.
        edges: Axes at whose edge some method's optimum lay when it ended.
    """

    grid: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    settings: Mapping[str, Settings] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)
    env_steps: int = 0
    unsure: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()


def read_tuned(folder: Path) -> Tuned:
    """Returns what a tuning chose.

    Raises:
        StudyError: There is none in the folder.
    """
    try:
        value: Any = read_json(folder / TUNED)
        settings = {name: Settings(**own) for name, own in value["settings"].items()}
        grid = {axis: tuple(values) for axis, values in value["grid"].items()}
        if not all(type(rate) in (int, float) for rates in grid.values() for rate in rates):
            raise ValueError("its grid is none of numbers")
        return Tuned(
            grid=grid,
            settings=settings,
            chosen=dict(value["chosen"]),
            env_steps=int(value.get("env_steps", 0)),
            unsure=tuple(value.get("unsure", ())),
            edges=tuple(value.get("edges", ())),
        )
    except (FileNotFoundError, NotADirectoryError):
        raise StudyError(f"{folder} holds no finished tuning; run `study tune` first") from None
    except (OSError, Damaged, KeyError, TypeError, AttributeError, ValueError) as error:
        words = getattr(error, "strerror", None) or error
        raise StudyError(f"{folder / TUNED} is damaged ({words}); run `study tune` again") from None


def with_tuned(config: StudyConfig, folder: Path) -> StudyConfig:
    """Returns a study with the grid, settings and choices of its tuning.

    Axes of a pretraining are settled by the tuning; those of adaptation, retentions' too, stay rows of
    the study. How long a method pretrains is the study's.
    """
    tuned = read_tuned(folder)
    grid = {axis: values for axis, values in tuned.grid.items() if axis.startswith(WHILE_ADAPTING)}
    budgets = {name: own.pretrain_env_steps for name, own in config.settings.items()}
    settings = {
        name: replace(own, pretrain_env_steps=budgets.get(name)) for name, own in tuned.settings.items()
    }
    return replace(config, grid=grid, settings=settings, chosen=tuned.chosen)


def tuning_folder(folder: Path, family: str) -> Path:
    """Returns where the tuning of a family lies in a folder of several, or the folder itself."""
    within = folder / family.rsplit("/", 1)[-1]
    return within if (within / TUNED).is_file() else folder


def ship(folder: Path, root: Path) -> None:
    """Copies the tables of a tuning into a study's folder, where its report reads them.

    Raises:
        StudyError: One of them is damaged, or the study's folder cannot be written.
    """
    with writing(root / SHIPPED):
        (root / SHIPPED).mkdir(parents=True, exist_ok=True)
    for name in TABLES:  # damage is told now, not when all jobs have run
        table_at(folder / name, "run `study tune` again")
    for name in (TUNED, *TABLES):
        write_bytes(root / SHIPPED / name, read_bytes(folder / name))
