"""C2F-ARM's hyperparameters, and presets with the source of each number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from fvm_learners.c2f_arm.grid import Grids, check_reach, check_workspace
from fvm_learners.config_checks import (
    check_above_zero,
    check_counts,
    check_flags,
    check_fractions,
    check_not_negative,
    check_optional_above_zero,
    check_optional_count,
    is_count,
    is_number,
)

NETWORKS = ("upstream", "patch")
EXPLORATIONS = ("none", "noise", "boltzmann")
QUIRKS = (
    "corner_centres",
    "unguarded_jitter",
    "late_time",
    "timeouts_terminate",
    "chained_priorities",
    "unstratified",
    "pixel_crop",
)
"""Slips of ARM's code that can be switched on: a finer grid about the low corner of a demonstration's voxel;
jitter drawn once and for all, which may push the action out of its grid; online observations that carry the
time of the step before; time-outs that end the value; priorities (2 p_0 + p_1)^alpha, of three depths
(3 p_0 + 2 p_1 + p_2)^alpha; replay draws that are not stratified; finer grids that see only 64 x 64 pixels
about their centre."""


@dataclass(frozen=True, kw_only=True)
class C2FARMConfig:
    """Hyperparameters of `C2FARM`.

    Attributes:
        cameras: Whose `<camera>_rgb`, `<camera>_depth` (or `_point_cloud`), `_camera_extrinsics` and
            `_camera_intrinsics` are looked at.
        low_dim: Observations that the networks are told, in this order.
        network: "upstream" (ARM's) or "patch" (for a CPU).
        channels: K of the networks.
        padding: Of 3-D convolutions, "replicate" or "zeros".
        bounds: Low and high corner of the first grid, m.
        grid_sizes: Voxels along each axis, one number a depth, multiples of 4.
        half_sides: Of the finer grids, m.
        rotation_bins: Of each of three angles.
        workspace: Low and high corner of where actions can succeed, m: voxels outside are never chosen. None
            for everywhere.
        num_steps: Rows of an iteration; updates follow each row all the same.
        updates_per_env_step: Optimiser steps a step of one slot, once there is something to learn from.
        learn_start: Env steps before updates are due, divided by the number of tasks for each replay;
            one with demonstrations needs none.
        first_success: Let no updates be due before a replay holds a reward.
        batch_size: Transitions an update.
        tasks_per_batch: Tasks that they come from in equal shares; None for all.
        replay_capacity: Frames kept, all tasks together. Demonstrations are never overwritten.
        discount: Gamma.
        learning_rate: Of Adam.
        final_learning_rate_frac: What it falls to, linearly over the second half of `anneal_updates`.
        anneal_updates: Updates after which the rate stays; None to leave it constant.
        weight_decay: Of Adam, added to the gradient.
        max_grad_norm: A depth's longer gradients are shortened to it; None for any length.
        max_grad_value: Elements of gradients are clipped to it; None for no clipping.
        target_tau: Share of the networks that each update moves the target networks by; 0 for hard copies.
        target_period_updates: Updates between hard copies.
        cached_targets: Keep V(s') of a transition, not augmented, until the next hard copy.
        translation_regularisation: Weight of the mean |Q| of voxels.
        rotation_regularisation: Weight of the mean |Q| of rotation bins and gripper.
        imitation: Weight of the cross-entropy of demonstrated actions.
        imitation_scale: Q times this are the cross-entropy's logits.
        label_width: Standard deviation, in bins, of the demonstrated rotation's labels.
        imitate_successes: Whether own successful episodes count as demonstrated.
        priority_exponent: Alpha of the replay's priorities.
        importance_exponent: Beta.
        start_every: Frames of a demonstration between two where an episode is made to start.
        merge_keyframes: Leave out keyframes whose successor has nearly the same pose, where the rest still
            solves the episode, untried where a demonstration has no `solved_by`; of demonstrations that bring
            keyframes of their own all stay.
        jitter: Largest shift of a finer grid's centre, as a share of its half side.
        yaw_degrees: Largest turn of a batch's scenes about the vertical.
        yaw_centre: x and y of that turn's axis, m.
        shift: Largest shift of a batch's scenes along x, y, z, m.
        gripper_symmetry: Learn only one of the two orientations in which a parallel gripper is the same.
        acting_stride: Acting looks at every so many points at depth 0, counted through all slots: which of a
            slot's depends on how many the slots before have.
        beam: Voxels of each depth that acting looks into.
        exploration: "none"; "noise" on position and angles; "boltzmann" draws voxels in proportion to
            exp(Q / temperature).
        noise: Standard deviation of positions, m; angles move by a normal number of bins, rounded, whatever
            it is, and the gripper is drawn in 1 of 5 steps.
        temperature: Of Boltzmann exploration.
        latent_size: Of a task variable z beside the low-dimensional state; 0 for none.
        context_hidden_size: Of the context encoder.
        context_demonstrations: Whether demonstrations can be part of a context ("DemoCon" in the authors'
            code).
        demonstrated_context_frac: How much of a context is of demonstrations, on average, where steps were
            played as well; None for as much as they are of all that it may be drawn from.
        detach_latent: Whether only depth 0 trains the context encoder, as the authors' code does.
        quirks: Names out of `QUIRKS`.
        autocast: Whether to compute in bfloat16 on a GPU, but where the network cannot (`needs_float32`).
        cpu_bfloat16: The same on a CPU, which must have instructions for it.
        compile: Whether `torch.compile` compiles the networks on a GPU. On a CPU it would take minutes.
    """

    cameras: tuple[str, ...] = ("front",)
    low_dim: tuple[str, ...] = ("gripper_open", "gripper_joint_positions", "time")
    network: Literal["upstream", "patch"] = "upstream"
    channels: int = 64
    padding: Literal["replicate", "zeros"] = "replicate"
    bounds: tuple[float, ...] = (-0.3, -0.5, 0.6, 0.7, 0.5, 1.6)
    grid_sizes: tuple[int, ...] = (16, 16)
    half_sides: tuple[float, ...] = (0.15,)
    rotation_bins: int = 72
    workspace: tuple[float, ...] | None = None
    num_steps: int = 10
    updates_per_env_step: float = 1.0
    learn_start: int = 0
    first_success: bool = False
    batch_size: int = 128
    tasks_per_batch: int | None = None
    replay_capacity: int = 100_000
    discount: float = 0.99
    learning_rate: float = 5e-4
    final_learning_rate_frac: float = 1.0
    anneal_updates: int | None = None
    weight_decay: float = 1e-6
    max_grad_norm: float | None = None
    max_grad_value: float | None = None
    target_tau: float = 0.0025
    target_period_updates: int = 50
    cached_targets: bool = False
    translation_regularisation: float = 1.0
    rotation_regularisation: float = 1.0
    imitation: float = 0.0
    imitation_scale: float = 20.0
    label_width: float = 1.0
    imitate_successes: bool = True
    priority_exponent: float = 0.7
    importance_exponent: float = 0.5
    start_every: int = 10
    merge_keyframes: bool = False
    jitter: float = 0.5
    yaw_degrees: float = 0.0
    yaw_centre: tuple[float, float] = (0.2, 0.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gripper_symmetry: bool = False
    acting_stride: int = 1
    beam: int = 1
    exploration: Literal["none", "noise", "boltzmann"] = "none"
    noise: float = 0.02
    temperature: float = 0.1
    latent_size: int = 0
    context_hidden_size: int = 512
    context_demonstrations: bool = False
    detach_latent: bool = False
    quirks: tuple[str, ...] = ()
    autocast: bool = False
    compile: bool = False
    cpu_bfloat16: bool = field(default=False, metadata={"since": 2})
    demonstrated_context_frac: float | None = field(default=None, metadata={"since": 3})

    def __post_init__(self) -> None:
        """Check each value.

        Raises:
            ValueError: One is out of its range, or two do not fit.
        """
        check_flags(self)
        _check_counts(self)
        _check_numbers(self)
        for name, choices in (
            ("network", NETWORKS),
            ("padding", ("replicate", "zeros")),
            ("exploration", EXPLORATIONS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r}: choose one of {', '.join(choices)}")
        _check_names(self)
        _check_grids(self)
        if self.cached_targets and self.target_tau:
            raise ValueError(
                f"cached_targets with target_tau={self.target_tau}: values are kept between hard copies; set "
                "target_tau=0"
            )
        turns = self.yaw_degrees or any(self.shift)
        if turns and "gripper_pose" in self.low_dim:
            raise ValueError(
                "scenes are turned or shifted and low_dim has the gripper_pose, which would stay behind: set "
                "yaw_degrees=0 and shift=(0, 0, 0), or leave gripper_pose out of low_dim"
            )

    @property
    def grids(self) -> Grids:
        """The grids of all depths."""
        return Grids(self.bounds, self.grid_sizes, self.half_sides)

    @property
    def num_values(self) -> int:
        """Outputs for rotation and gripper."""
        return 3 * self.rotation_bins + 2

    def learning_rate_at(self, update: int) -> float:
        """The rate of this update, counted from 0."""
        if self.anneal_updates is None:
            return self.learning_rate
        frac = min(1.0, max(0.0, 2.0 * update / self.anneal_updates - 1.0))
        return self.learning_rate * (1.0 - frac * (1.0 - self.final_learning_rate_frac))


def _check_counts(config: C2FARMConfig) -> None:
    for name in ("channels", "rotation_bins"):
        check_counts(config, [name], at_least=4)
    check_counts(
        config,
        (
            "num_steps",
            "batch_size",
            "replay_capacity",
            "target_period_updates",
            "start_every",
            "acting_stride",
            "beam",
            "context_hidden_size",
        ),
    )
    check_counts(config, ("learn_start", "latent_size"), at_least=0)
    check_optional_count(config, "tasks_per_batch", "all")
    check_optional_count(config, "anneal_updates", "a constant rate")


def _check_numbers(config: C2FARMConfig) -> None:
    check_above_zero(
        config, ("learning_rate", "updates_per_env_step", "imitation_scale", "label_width", "temperature")
    )
    check_not_negative(
        config,
        (
            "weight_decay",
            "translation_regularisation",
            "rotation_regularisation",
            "imitation",
            "priority_exponent",
            "importance_exponent",
            "yaw_degrees",
            "noise",
        ),
    )
    check_fractions(config, ("discount", "target_tau", "final_learning_rate_frac", "jitter"))
    check_optional_above_zero(config, "max_grad_norm", "gradients of any length")
    check_optional_above_zero(config, "max_grad_value", "no clipping")
    frac = config.demonstrated_context_frac
    if frac is not None and not (is_number(frac) and 0 <= frac <= 1):
        raise ValueError(f"demonstrated_context_frac={frac!r}: give a number from 0 to 1, or None")
    if not _numbers(config.shift, 3) or min(config.shift) < 0:
        raise ValueError(f"shift={config.shift!r}: give three finite numbers, 0 or more, m")
    if not _numbers(config.yaw_centre, 2):
        raise ValueError(f"yaw_centre={config.yaw_centre!r}: give x and y, two finite numbers, m")


def _check_grids(config: C2FARMConfig) -> None:
    for name in ("bounds", "workspace"):
        box = getattr(config, name)
        if name == "workspace" and box is None:
            continue
        if not _numbers(box, 6) or not all(low < high for low, high in zip(box[:3], box[3:], strict=True)):
            raise ValueError(f"{name}={box!r}: give the low corner x, y, z, then a higher one, m")
    sizes, sides = config.grid_sizes, config.half_sides
    if not _listed(sizes) or not sizes or not all(is_count(size, 4) and size % 4 == 0 for size in sizes):
        raise ValueError(f"grid_sizes={sizes!r}: give one multiple of 4 for each depth")
    if not _listed(sides) or not all(is_number(side) and side > 0 for side in sides):
        raise ValueError(f"half_sides={sides!r}: give finite numbers above 0, m")
    check_reach(config.bounds, sizes, sides)
    if config.workspace is not None:
        check_workspace(config.grids, config.workspace)


def _check_names(config: C2FARMConfig) -> None:
    for name in ("cameras", "low_dim", "quirks"):
        names = getattr(config, name)
        if not _listed(names) or not all(isinstance(one, str) for one in names):
            raise ValueError(f"{name}={names!r}: give a tuple of names")
    if unknown := [quirk for quirk in config.quirks if quirk not in QUIRKS]:
        raise ValueError(f"there are no quirks {unknown}: the quirks are {', '.join(QUIRKS)}")
    if not config.cameras or len(set(config.cameras)) < len(config.cameras):
        raise ValueError(f"cameras={config.cameras}: name at least one, each once")
    if len(set(config.low_dim)) < len(config.low_dim):
        raise ValueError(f"low_dim={config.low_dim}: name each once")


def _listed(value: Any) -> bool:
    return isinstance(value, tuple | list)


def _numbers(value: Any, count: int) -> bool:
    return _listed(value) and len(value) == count and all(map(is_number, value))


UPSTREAM = C2FARMConfig(
    # stepjam/ARM at 00938a3, conf/method/C2FARM.yaml and launch.py; low_dim as PerAct's later code.
    batch_size=128,
    discount=0.99,
    learning_rate=5e-4,
    weight_decay=1e-6,
    max_grad_value=0.01,  # qattention_agent.py clips elements
    target_tau=0.0025,
    replay_capacity=100_000,
    start_every=10,  # demo_augmentation_every_n
    jitter=0.75,  # of bounds_offset
    priority_exponent=0.7,
    importance_exponent=0.5,  # the square root of a ratio, then an exponent of 1
    learn_start=200,  # transitions_before_train
    quirks=QUIRKS,
)

RECOMMENDED = C2FARMConfig(
    # ARM's shapes without its slips; what our prototype on the MuJoCo tasks found to matter.
    learning_rate=1e-3,
    max_grad_norm=1.0,
    target_tau=0.0,
    target_period_updates=50,
    cached_targets=True,
    imitation=0.05,
    start_every=3,
    merge_keyframes=True,
    yaw_degrees=45.0,  # PerAct's augmentation (Shridhar et al. 2022, appendix E)
    shift=(0.125, 0.125, 0.0375),
    gripper_symmetry=True,
    beam=3,  # QTE: top 3 (James & Abbeel 2022, arXiv 2204.12471)
    padding="zeros",
    workspace=(-0.3, -0.5, 0.75, 0.7, 0.5, 1.6),  # the table's top is at .75
)

CPU = C2FARMConfig(
    # A task in about a minute on one core (docs/manipulation.md). Our own, from the prototype's pilots.
    network="patch",
    channels=16,
    padding="zeros",
    batch_size=16,
    learning_rate=4e-3,
    final_learning_rate_frac=0.1,
    anneal_updates=1_200,
    max_grad_norm=1.0,
    target_tau=0.0,
    target_period_updates=50,
    cached_targets=True,
    imitation=0.05,
    start_every=3,
    merge_keyframes=True,
    yaw_degrees=45.0,
    shift=(0.125, 0.125, 0.0375),
    gripper_symmetry=True,
    acting_stride=2,
    beam=3,
    workspace=(-0.3, -0.5, 0.75, 0.7, 0.5, 1.6),
)

PRESETS = {"upstream": UPSTREAM, "recommended": RECOMMENDED, "cpu": CPU}
