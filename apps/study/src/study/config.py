"""What a study is, fully resolved: the one value from which plan, jobs and report follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from fvm_eval.folds import Fold

from study.identity import fields_of
from study.phases import MOST, NOTHING, Phase, Settings, check_count
from study.registry import registered

__all__ = [
    "EVALUATION_VERSION",
    "NOTHING",
    "OF_FOLDS",
    "Evaluation",
    "Far",
    "Phase",
    "Settings",
    "StudyConfig",
    "check_count",
]

EVALUATION_VERSION = 1  # raised when the deployment evaluation gives other scores of the same agents
OF_FOLDS: Mapping[str, Any] = {"pool": (), "validation": (), "held_out": (), "train_sizes": ()}
"""What follows from the folds of a study: to be given with `replace` where the folds are others."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Deployment evaluation: fresh episodes of frozen snapshots, free of charge."""

    snapshots: int  # points of an adaptation curve beyond step 0
    episodes: int  # per snapshot on a held-out task
    training_tasks: int  # training tasks on which the pretrained agent and the random one are compared
    training_episodes: int  # per such task
    max_steps: int  # an episode that is still running then is scored with what it has
    num_envs: int = 16
    new_levels: int = 0  # never seen levels on which a pretrained agent plays one episode each, zero-shot
    lifetimes: int = 16  # of RL2 on a held-out task, for its return by trial
    trials: int = 8  # in such a lifetime; more than it was trained with show what it does beyond
    # Rows of the table whose first seed is filmed at each snapshot.
    filmed: tuple[str, ...] = field(default=(), metadata={"since": 3})
    # Env steps of the snapshots, 0 among them or not, where they are not evenly spaced.
    at: tuple[int, ...] = field(default=(), metadata={"since": 4})
    # Of RL2 on each of the new levels: its gain from trial to trial, which needs no gradients.
    new_lifetimes: int = field(default=0, metadata={"since": 4})
    # Whether adapted agents play their training tasks again: what they have forgotten.
    forgetting: bool = field(default=False, metadata={"since": 3})
    # In place of `episodes` where no score at the budget is at stake: at earlier snapshots, and with each of
    # the latents that PEARL may play with; 0 for as many.
    early_episodes: int = field(default=0, metadata={"since": 5})

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if f.name not in ("at", "filmed", "forgetting")):
            least = 0 if name.startswith(("new_", "early_")) else 1
            check_count(f"evaluation {name}", getattr(self, name), least=least, most=10**9)


@dataclass(frozen=True, kw_only=True)
class Far:
    """Where frozen agents are asked what they still know of what fine-tuning does not visit at first.

    Attributes:
        tasks: Names of tasks, as held-out ones are named, that begin in such states; without any, the first
            `num_tasks` of the pretraining's own.
        env_options: Of the envs on which they are played, where those differ from the study's.
        episodes: Of each task at each snapshot.
        max_steps: After which an episode is scored with what it has.
        window_env_steps: Env steps of adaptation over which what is lost is averaged, fixed beforehand.
        order: By held-out task, what its episodes meet first, "CLOSE" or "FAR"; CLOSE where nothing is said.
    """

    tasks: tuple[str, ...] = ()
    num_tasks: int = 8
    env_options: Mapping[str, Any] = field(default_factory=dict)
    episodes: int
    max_steps: int
    window_env_steps: int
    order: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("num_tasks", "episodes", "max_steps", "window_env_steps"):
            check_count(f"far {name}", getattr(self, name))
        if strange := sorted(set(self.order.values()) - {"CLOSE", "FAR"}):
            raise ValueError(f"far order names {', '.join(strange)}; a task meets CLOSE or FAR first")

    @classmethod
    def in_training_tasks(cls, evaluation: Evaluation, adapt: Phase, **env_options: Any) -> Far:
        """Returns what is asked where nobody says more: training tasks, over an adaptation's first quarter.

        `env_options` are those of the envs on which they are played, where they differ from the study's.
        """
        asked = cls(
            episodes=evaluation.training_episodes,
            max_steps=evaluation.max_steps,
            window_env_steps=1,
            env_options=env_options,
        )
        return asked.over_first_quarter(evaluation, adapt)

    def over_first_quarter(self, evaluation: Evaluation, adapt: Phase) -> Far:
        """Returns the same, its window up to the last snapshot in `adapt`'s first quarter, one at least."""
        points = adapt.at(evaluation.snapshots)
        return replace(self, window_env_steps=points[max(1, (len(points) - 1) // 4)])


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """A grid of methods x training-set sizes x seeds x held-out tasks.

    Attributes:
        family: What all task ids begin with, such as "procgen/coinrun-easy", or "atari".
        pool: What training sets are drawn from: the first and one past the last of numbered levels, of
            which each seed draws its own; or names in order, of which a set takes the first.
        train_sizes: Sizes of the training sets; the larger contain the smaller.
        pairs: By held-out task, the one to train on in sets of one; without it sets of one are the pool's
            first.
        pretrain_env_steps: By size of the training set, the budget of a pretraining where it is not the
            phase's.
        reset_sigmas: Whether fine-tuning begins with the noisy layers' first scale.
        new_levels_from: First of the levels that nothing else uses, for `Evaluation.new_levels`.
        settings: By pretraining, what differs from the phases; tuned on validation levels.
        margin: Smallest difference that counts, as a fraction of the score range; fixed beforehand.
        script: A scripted player to compare with, besides random play.
        retain: By retention, fields of its settings, for methods such as "multitask:gradient+bc".
        looks: Numbers of seeds at which verdicts are planned, as (8, 16): such looks share the error that one
            look at the end could make. Without them the first look is the plan, and later ones pay for it.
        folds: Splits that are given instead of pool, validation, held-out tasks and sizes: every seed trains
            on each fold's training tasks. A task may be held out in one and trained on in another.
        split: Sizes of the training, validation and held-out parts of the pool, which each seed draws anew;
            instead of sizes, validation and held-out tasks.
        on_validation: Whether agents adapt to the validation tasks in place of the held-out ones, as tuning
            does.
        grid: Settings of which each combination is a row of its own ("adapt.learning_rate": (1e-3, 3e-3)).
            Those of `adapt` are of the methods that take gradients on the test task, those of `pretrain` and
            `config` of the methods that do not.
        only_chosen: Whether the grid is for tuning alone, and a method has the row of its chosen point; its
            own settings before it is tuned.
        chosen: By method, the point of the grid that was best on validation tasks.
        train_demos: Demonstrations of each training task that a pretraining is given.
        demos: Numbers of demonstrations of the test task: an adaptation of each method with each of them, in
            a row of its own. Without it there are none, and rows have the methods' names.
        diverged: How runs whose weights became infinite or NaN are scored: "as played", or "worst", the
            lowest possible score.
        far: What agents are asked at every snapshot beside the task that they adapt to.
        title: Of the report, where methods and family do not say it.
        note: What a reader must know of this preset, one sentence.
    """

    benchmark: str
    preset: str
    family: str
    methods: tuple[str, ...] = ()
    seeds: int = 1
    train_sizes: tuple[int, ...] = ()
    pool: tuple[int, int] | tuple[str, ...] = ()
    validation: tuple[int | str, ...] = ()
    held_out: tuple[int | str, ...] = ()
    env_options: Mapping[str, Any] = field(default_factory=dict)
    pretrain: Phase = NOTHING
    adapt: Phase = NOTHING
    evaluation: Evaluation
    first_seed: int = 0
    pairs: Mapping[str, str] = field(default_factory=dict)
    pretrain_env_steps: Mapping[int, int] = field(default_factory=dict)
    reset_sigmas: bool = False
    new_levels_from: int = 0
    settings: Mapping[str, Settings] = field(default_factory=dict)
    script: str | None = None  # a scripted player to compare with
    score_bounds: tuple[float, float] | None = None  # lowest and highest return of an episode
    margin: float = 0.1
    trials: int = 0  # tuning trials on validation levels behind these settings, the same for every method
    looks: tuple[int, ...] = field(default=(), metadata={"since": 2})
    folds: tuple[Fold, ...] = field(default=(), metadata={"since": 2})
    retain: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, metadata={"since": 2})
    far: Far | None = field(default=None, metadata={"since": 3})
    split: tuple[int, ...] = field(default=(), metadata={"since": 4})
    on_validation: bool = field(default=False, metadata={"since": 4})
    grid: Mapping[str, tuple[float, ...]] = field(default_factory=dict, metadata={"since": 4})
    only_chosen: bool = field(default=False, metadata={"since": 4})
    chosen: Mapping[str, str] = field(default_factory=dict, metadata={"since": 4})
    title: str = field(default="", metadata={"since": 2})
    train_demos: int = field(default=0, metadata={"since": 3})
    demos: tuple[int, ...] = field(default=(), metadata={"since": 3})
    diverged: str = field(default="as played", metadata={"since": 3})
    note: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.seeds, int) and self.seeds < 1:
            raise ValueError(f"seeds is {self.seeds}; a study needs at least 1")
        check_count("seeds", self.seeds, most=MOST)
        for look in self.looks:
            check_count("looks", look, least=2, most=MOST)
        if list(self.looks) != sorted(set(self.looks)):
            raise ValueError(f"looks are {self.looks}; give rising numbers of seeds")
        if self.diverged not in ("as played", "worst"):
            raise ValueError(f"diverged is {self.diverged!r}; give 'as played' or 'worst'")
        check_count("first_seed", self.first_seed, least=0, most=2**62)
        for count in (self.train_demos, *self.demos):
            check_count("a number of demonstrations", count, least=0, most=10**4)
        if list(self.demos) != sorted(set(self.demos)):
            raise ValueError(f"demos are {self.demos}; give rising numbers of demonstrations, each once")
        if self.far is not None and self.adapt.learner is not None:
            self._check_window(self.far)
        if not 0 < self.margin < math.inf:
            raise ValueError(f"margin is {self.margin}; give a number above 0")
        if self.folds:
            self._take_folds()
            return
        if self.split:
            self._take_split()
            return
        if not self.held_out:
            raise ValueError(f"no held-out {self.unit}s given; name at least one to adapt to")
        if not self.methods:
            if self.adapt.learner is not None:
                raise ValueError("no methods given; name at least one")
            return
        for phase in (self.pretrain, self.adapt):
            if phase.learner is None:
                raise ValueError(f"{self.methods[0]} cannot be trained: preset {self.preset} has no learner")
        if not self.train_sizes:
            raise ValueError(f"no training-set sizes given; give at least one number of {self.unit}s")
        pool = self.train_pool
        shown = f"{pool[0]}:{pool[-1] + 1}" if isinstance(pool, range) else ", ".join(pool)
        for split, tasks in (("held-out", self.held_out), ("validation", self.validation)):
            if inside := [task for task in tasks if task in pool]:
                raise ValueError(
                    f"{split} {self.unit}s {inside} overlap the training pool {shown}; "
                    f"move the pool or choose other {split} {self.unit}s"
                )
        if both := [task for task in self.held_out if task in self.validation]:
            raise ValueError(
                f"{self.unit}s {both} are both held out and for validation; take them out of one"
            )
        for size in self.train_sizes:
            check_count("a training-set size", size, least=-(10**15))
            if not 1 <= size <= len(pool):
                raise ValueError(
                    f"a training set of {size} {self.unit}s cannot be drawn from the pool {shown}; "
                    f"give 1 to {len(pool)}"
                )
        if 1 in self.train_sizes and self.pairs and (lacking := set(self.held_out) - set(self.pairs)):
            raise ValueError(f"no {self.unit} to train on is paired with {sorted(map(str, lacking))}")

    def _take_split(self) -> None:
        """Sets what follows from a split that is drawn anew: any task of the pool may be held out."""
        sizes, pool = self.split, self.train_pool
        for size in sizes:
            check_count("a part of the split", size)
        if len(sizes) != 3 or sum(sizes) > len(pool):
            raise ValueError(
                f"split is {sizes}, of a pool of {len(pool)}; give the sizes of its training, validation and "
                "held-out parts"
            )
        if self.validation or self.held_out not in ((), tuple(pool)):
            raise ValueError("split is given, and validation or held-out tasks; leave those out")
        object.__setattr__(self, "train_sizes", sizes[:1])
        object.__setattr__(self, "held_out", tuple(pool))

    @property
    def snapshots(self) -> tuple[int, ...]:
        """Env steps of adaptation after which an agent is frozen and evaluated."""
        return self.evaluation.at or self.adapt.at(self.evaluation.snapshots)

    def _check_window(self, far: Far) -> None:
        points = self.snapshots[1:]
        if far.window_env_steps < points[0]:
            raise ValueError(
                f"no snapshot falls into the first {far.window_env_steps:,} env steps, over which what is "
                f"lost is averaged; the first comes at {points[0]:,}"
            )

    def _take_folds(self) -> None:
        """Sets what follows from the folds, whose tasks are ids of the family."""
        for fold in self.folds:
            for task in (*fold.train, *fold.validation, *fold.held_out):
                if not task.startswith(f"{self.family}/"):
                    raise ValueError(f"the folds' task {task!r} is not of the family {self.family}")
        for given in OF_FOLDS:
            if getattr(self, given) not in ((), self._of_folds(given)):
                raise ValueError(f"folds and {given} are given; leave {given} out, it follows from the folds")
            object.__setattr__(self, given, self._of_folds(given))

    def _of_folds(self, name: str) -> tuple[Any, ...]:
        if name == "train_sizes":
            return tuple(sorted({len(fold.train) for fold in self.folds}))
        part = "train" if name == "pool" else name
        tasks = dict.fromkeys(task for fold in self.folds for task in getattr(fold, part))
        return tuple(task.removeprefix(f"{self.family}/") for task in tasks)

    @property
    def train_pool(self) -> range | tuple[str, ...]:
        """What training sets are drawn from, one by one."""
        if not self.pool:
            return ()
        first = self.pool[0]
        return range(first, int(self.pool[1])) if isinstance(first, int) else tuple(map(str, self.pool))

    @property
    def tested(self) -> tuple[int | str, ...]:
        """Tasks that agents may adapt to."""
        return self.validation if self.on_validation and not self.split else self.held_out

    @property
    def unit(self) -> str:
        """What a task is called."""
        known = registered().benchmarks.get(self.benchmark)
        return "task" if known is None else known.unit

    def task_id(self, task: int | str) -> str:
        """Returns the id of a task of this study's family."""
        return f"{self.family}/{task}"

    def phase(self, kind: str, pretraining: str, size: int = 0) -> Phase:
        """Returns the phase "pretrain" or "adapt" as this pretraining has it, on a set of this size."""
        phase: Phase = getattr(self, kind)
        if kind == "pretrain" and size in self.pretrain_env_steps:
            phase = replace(phase, env_steps=self.pretrain_env_steps[size])
        own = self.settings.get(pretraining, Settings())
        if kind == "pretrain":
            phase = replace(
                phase,
                env_steps=own.pretrain_env_steps or phase.env_steps,
                num_envs=own.pretrain_num_envs or phase.num_envs,
            )
        return replace(phase, learner=replace(phase.learner, **{**own.learner, **getattr(own, kind)}))

    @property
    def identity(self) -> dict[str, Any]:
        """What two runs must share to be the same study: all but the grid's axes."""
        axes = {
            "methods",
            "seeds",
            "first_seed",
            "train_sizes",
            "demos",
            "note",
            "preset",
            "trials",
            "title",
            "grid",
        }
        return {key: value for key, value in self.spec.items() if key not in axes}

    @property
    def spec(self) -> dict[str, Any]:
        """All of it as JSON, without fields that came later and have their default."""
        fields: dict[str, Any] = fields_of(self)
        return fields
