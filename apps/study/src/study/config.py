"""What a study is, fully resolved: the one value from which plan, jobs and report follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from study.learners import LearnerConfig

# Raise the number of an algorithm or environment when its results change: its finished jobs then run again.
RESULT_VERSIONS = {
    "procgen": 1,
    "toy": 1,
    "ppo": 1,
    "scratch": 1,
    "multitask": 1,
    "reptile": 1,
    "rl2": 1,
    "pearl": 1,
    "rainbow": 1,
    "atari": 1,
    "rlbench": 1,
    "evaluation": 1,
}

UNITS = {"procgen": "level", "toy": "level", "atari": "game"}


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One kind of training: pretraining, or adaptation."""

    env_steps: int  # budget of one run
    num_envs: int  # parallel envs
    learner: LearnerConfig
    # Env steps after which envs that cannot save their state begin afresh: a run can be resumed there.
    restart_every: int | None = None

    def __post_init__(self) -> None:
        if self.num_envs < 1:
            raise ValueError(f"num_envs is {self.num_envs}; a phase needs at least 1 parallel env")
        if self.env_steps < self.num_envs:
            raise ValueError(
                f"a budget of {self.env_steps} env steps is less than one step of {self.num_envs} "
                f"parallel envs; give at least {self.num_envs}"
            )
        if self.env_steps % self.num_envs:
            low = self.env_steps // self.num_envs * self.num_envs
            raise ValueError(
                f"a budget of {self.env_steps} env steps is not a whole number of steps of {self.num_envs} "
                f"parallel envs; use {low} or {low + self.num_envs}"
            )
        iteration = self.learner.num_steps * self.num_envs
        if self.restart_every is not None and self.restart_every % iteration:
            raise ValueError(
                f"restarts every {self.restart_every} env steps do not fall between iterations of "
                f"{iteration}; give a multiple"
            )

    def at(self, points: int) -> tuple[int, ...]:
        """Returns `points` + 1 env steps from 0 to the budget, evenly spaced in whole rows of envs."""
        rows = self.env_steps // self.num_envs
        return tuple(sorted({round(rows * i / points) * self.num_envs for i in range(points + 1)}))


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

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):
            least = 0 if name == "new_levels" else 1
            if getattr(self, name) < least:
                raise ValueError(f"evaluation {name} is {getattr(self, name)}; it must be at least {least}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where a pretraining and the adaptations that follow it differ from the study's phases.

    Attributes:
        config: Fields of the paradigm's config.
        learner: Fields of the base learner's config, in both phases.
        pretrain, adapt: Fields of it in one of them.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    learner: Mapping[str, Any] = field(default_factory=dict)
    pretrain: Mapping[str, Any] = field(default_factory=dict)
    adapt: Mapping[str, Any] = field(default_factory=dict)


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
        note: What a reader must know of this preset, one sentence.
    """

    benchmark: str
    preset: str
    family: str
    methods: tuple[str, ...]
    seeds: int
    train_sizes: tuple[int, ...]
    pool: tuple[int, int] | tuple[str, ...]
    validation: tuple[int | str, ...]
    held_out: tuple[int | str, ...]
    env_options: Mapping[str, Any] = field(default_factory=dict)
    pretrain: Phase
    adapt: Phase
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
    note: str = ""

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"seeds is {self.seeds}; a study needs at least 1")
        if not self.methods:
            raise ValueError("no methods given; name at least one")
        if not self.held_out:
            raise ValueError(f"no held-out {self.unit}s given; name at least one to adapt to")
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
            if not 1 <= size <= len(pool):
                raise ValueError(
                    f"a training set of {size} {self.unit}s cannot be drawn from the pool {shown}; "
                    f"give 1 to {len(pool)}"
                )
        if 1 in self.train_sizes and self.pairs and (lacking := set(self.held_out) - set(self.pairs)):
            raise ValueError(f"no {self.unit} to train on is paired with {sorted(map(str, lacking))}")

    @property
    def train_pool(self) -> range | tuple[str, ...]:
        """What training sets are drawn from, one by one."""
        first = self.pool[0]
        return range(first, int(self.pool[1])) if isinstance(first, int) else tuple(map(str, self.pool))

    @property
    def unit(self) -> str:
        """What a task is called."""
        return UNITS[self.benchmark]

    def task_id(self, task: int | str) -> str:
        """Returns the id of a task of this study's family."""
        return f"{self.family}/{task}"

    def phase(self, kind: str, pretraining: str, size: int = 0) -> Phase:
        """Returns the phase "pretrain" or "adapt" as this pretraining has it, on a set of this size."""
        phase: Phase = getattr(self, kind)
        if kind == "pretrain" and size in self.pretrain_env_steps:
            phase = replace(phase, env_steps=self.pretrain_env_steps[size])
        own = self.settings.get(pretraining, Settings())
        return replace(phase, learner=replace(phase.learner, **{**own.learner, **getattr(own, kind)}))

    @property
    def identity(self) -> dict[str, Any]:
        """What two runs must share to be the same study: all but the grid's axes."""
        axes = {"methods", "seeds", "first_seed", "train_sizes", "note", "preset", "trials"}
        return {key: value for key, value in asdict(self).items() if key not in axes}
