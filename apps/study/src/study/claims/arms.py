"""What claims are about: the summaries beside those of the adaptation curves, their arms, preconditions."""

from __future__ import annotations

from dataclasses import replace

from study.config import StudyConfig
from study.methods import Method, Row, counted, pretraining_of

TRIALS = "Return by trial"
NEW_TRIALS = "Return by trial on new levels"
CONTROL = "Return by trial on the control family"
SECONDS_TO_SCORE = "Log device seconds to scratch's final score"
BY_TASK = "Value at budget by task"
BY_MOMENT = "Value before and after adaptation"
BY_LATENT = "Value at budget by latent"
BY_DEMOS = "Value at budget by demos"
FAR_DROP = "Score lost on FAR while fine-tuning"
FORGETTING = "Score lost on training tasks by adapting"
TRAINED = "Training return before adapting"
AREA_BY_ORDER = "Area under the curve by order"
FLOOR_MARGIN = 0.1  # of the score range, over random play: where no arm gets so far nothing can be compared
TRIAL_MARGIN = 0.05  # of the score range


def learned(method: str, unit: str = "level") -> str:
    """Returns the name of the precondition that a pretraining learned."""
    return f"{_pretrained(method, unit)} beats random play on its training {unit}s before adapting"


def rival_learned(method: str, unit: str = "level") -> list[str]:
    """Returns the precondition of beating a method: that what it starts from learned; of scratch none."""
    parsed = Method.parse(method)
    return [learned(parsed.pretraining, unit)] if parsed.kind.pretrains else []


def seen(method: str, unit: str = "level") -> str:
    """Returns the name of the precondition that a pretraining met most of the tasks of its size."""
    return f"{_pretrained(method, unit)} met at least 80 % of its training {unit}s in every pretraining"


def at_sizes(config: StudyConfig, unit: str | None = None) -> str:
    """Returns where claims about a study's training sets hold, as in "at 100 and 1,000 levels"."""
    sizes = [f"{size:,}" for size in config.train_sizes]
    listed = " and ".join(filter(None, (", ".join(sizes[:-1]), sizes[-1]))) if sizes else "no"
    unit = unit or config.unit
    return f"at {listed} training {unit}{'' if listed == '1' else 's'}"


def spoken(method: str, unit: str = "level") -> str:
    """Returns the name of the precondition that a method's posteriors say something of the task."""
    return f"{_pretrained(method, unit)}: no pretraining's posterior has collapsed to the prior"


def _pretrained(method: str, unit: str) -> str:
    row = Row.parse(method)
    on = "" if row.size is None else f" on {counted(row.size, unit)}"
    return f"{pretraining_of(row.method).label}{on}"


def above_floor(demos: int) -> str:
    """Returns the name of the precondition that something is learned with so many demonstrations."""
    return f"floor: some method beats random play by {FLOOR_MARGIN:.2f} with {counted(demos, 'demo')}"


def with_demos(method: str, demos: int) -> str:
    """Returns the arm of a method that is given demonstrations of the test task."""
    return replace(Row.parse(method), demos=demos).name
