"""C11: fine-tuning forgets what it does not visit; retention prevents it, and transfers better for it.

After Wolczyk et al. 2024. FAR is what the pretrained agent can do and fine-tuning does not visit at first,
CLOSE what it meets first. The score lost on FAR is the teacher's minus the mean over a window that was fixed
beforehand, never its minimum. That retention works *because* it keeps FAR is mediation: its gain must be
larger where CLOSE comes first than where FAR does.
"""

from __future__ import annotations

from dataclasses import replace

from fvm_eval.analysis.study_results import AREA
from fvm_eval.claims import Claim, Component

from study.arm_names import first
from study.claims.arms import AREA_BY_ORDER, FAR_DROP
from study.config import StudyConfig
from study.methods import Method, Row, counted, label_of
from study.retentions import kinds

TEACHER = "the frozen teacher beats random play on FAR"
UNVISITED = "fine-tuning visits FAR in less than 5 % of its steps during the window"
TUNED = "the fine-tuning without retention is tuned, with critic warm-up, entropy off and the head reset"


def retention_claims(config: StudyConfig) -> list[Claim]:
    """Returns a claim for each fine-tuning that keeps something, if the study has the plain one too.

    Where a study has rows by training-set size or by demonstrations, each pair of rows has its own. Where
    several fine-tunings keep the same, the claims of all but the first name theirs.
    """
    sizes = config.train_sizes if len(config.train_sizes) > 1 and not config.folds else (None,)
    rows = [Row("", size, demos) for size in sizes for demos in config.demos or (None,)]
    found: list[Claim] = []
    first_of: dict[str, str] = {}
    for retained in config.methods:
        plain, _, names = retained.partition("+")
        plain = Method.parse(plain).name  # the shortest: "multitask" of "multitask:gradient"
        kept = kinds(names.split("+")) if names else []
        keeps = any(kind.hook is not None and kind.hook.keeps for kind in kept)
        if keeps and plain in config.methods:
            also = first_of.setdefault(names, plain) != plain
            found += [
                forgets(config, replace(row, method=plain), replace(row, method=retained), also=also)
                for row in rows
            ]
    return found


def forgets(config: StudyConfig, plain: Row, retained: Row, *, also: bool = False) -> Claim:
    """C11 for one retention, of two rows that differ in nothing else; `also` of another fine-tuning."""
    theirs, name = label_of(plain.method, config.unit), retained.method.partition("+")[2]
    mine = f"{theirs} + {name.upper()}"
    of = [] if plain.size is None else [counted(plain.size, f"training {config.unit}")]
    of += [] if plain.demos is None else [counted(plain.demos, "demo")]

    def part(title: str, summary: str, weights: dict[str, float]) -> Component:
        return Component(name=title, summary=summary, weights=weights, margin=0, detect=config.margin)

    adapts, better = AREA, {retained.name: 1.0, plain.name: -1.0}
    if has_control(config):
        adapts, better = AREA_BY_ORDER, {first(row, "CLOSE"): weight for row, weight in better.items()}

    return Claim(
        id=", ".join([f"C11 {name}", *[plain.method] * also, *of]),
        statement=f"{theirs} forgets what it does not visit; {mine} does not, and adapts better for it",
        scope=", ".join([f"in {config.adapt.env_steps:,} env steps", *of]),
        paper_says="Forgetting of pretrained capabilities, not their lack, is what makes fine-tuning fail.",
        components=[
            part(f"lost on FAR by {theirs}", FAR_DROP, {plain.name: 1.0}),
            part(f"lost on FAR, {theirs} − {mine}", FAR_DROP, {plain.name: 1.0, retained.name: -1.0}),
            part(f"{mine} − {theirs}", adapts, better),
            part(
                f"gain of {mine} where CLOSE comes first − where FAR does",
                AREA_BY_ORDER,
                {
                    first(retained.name, "CLOSE"): 1.0,
                    first(plain.name, "CLOSE"): -1.0,
                    first(retained.name, "FAR"): -1.0,
                    first(plain.name, "FAR"): 1.0,
                },
            ),
        ],
        preconditions=[TEACHER, UNVISITED, TUNED],
    )


def has_control(config: StudyConfig) -> bool:
    """Whether the study adapts to tasks in which FAR comes first beside those in which CLOSE does."""
    order = config.far.order if config.far is not None else {}
    return {order.get(str(task), "CLOSE") for task in config.held_out} == {"CLOSE", "FAR"}
