"""C2F-ARM as a learner: it acts, keeps what it sees and what it is shown, and updates (`c2f_arm.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.autoreset import Envs, num_envs_of
from fvm_learners.c2f_arm.batches import EqualShares, make_batch
from fvm_learners.c2f_arm.c2f_arm import ArmBatch, c2f_arm_loss, next_values
from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.demonstrations import Demonstration, insert
from fvm_learners.c2f_arm.distribution import ArmDistribution
from fvm_learners.c2f_arm.frozen_policy import FrozenArmPolicy
from fvm_learners.c2f_arm.kept_values import KeptValues
from fvm_learners.c2f_arm.learner_state import restore, state_of
from fvm_learners.c2f_arm.networks import (
    PARTS,
    ArmNetworks,
    check_parts,
    clip_gradients,
    freeze_parts,
    load_weights,
    part_of,
)
from fvm_learners.c2f_arm.outlook import check_outlook, outlook_of
from fvm_learners.c2f_arm.protecting import played
from fvm_learners.c2f_arm.replay import ArmReplay, make_replays
from fvm_learners.c2f_arm.slots import ArmSlots, act, take_row
from fvm_learners.c2f_arm.views import Eye, check_actions
from fvm_learners.episodes import Episode
from fvm_learners.hooks import Hook, HookList
from fvm_learners.iteration import IteratedLearner, Iteration, State
from fvm_learners.precision import check_bfloat16
from fvm_learners.replay.protected import PROTECTED, Protected
from fvm_learners.weights import network_weights, reset_optimiser_state


class C2FARM(IteratedLearner, ArmDistribution):
    """Learns on any `gymnasium.vector.VectorEnv` with cameras and pose actions, and from demonstrations.

    An action is [8]: position in m, quaternion xyzw, gripper open; one leads to the next keyframe.

    Args:
        observation_space: A Dict of one slot, read as `views.py` says.
        action_space: A Box of shape (8,).
        config: Hyperparameters.
        seed: Of the weights, the batches, the exploration, and the envs' first reset.
        device: Of the networks.
        num_tasks: Replays; a slot's steps go into the one of its `info["task_index"]`.
        hooks: Whose terms are added to the loss (`fvm_learners.hooks`).
        sampler: Makes batches and latents; None for equal shares from all replays that are ready.
        episode_length: Steps of the envs' episodes, from which a demonstration's `time` follows.
    """

    name: ClassVar[str] = "c2f_arm"
    version: ClassVar[int] = 2
    config: C2FARMConfig

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        config: C2FARMConfig,
        *,
        seed: int,
        device: str = "cpu",
        num_tasks: int = 1,
        hooks: Sequence[Hook] = (),
        sampler: Any = None,
        episode_length: int = 10,
    ) -> None:
        check_actions(action_space, config)
        self.observation_space, self.action_space = observation_space, action_space
        self.config, self.device, self.episode_length = config, torch.device(device), episode_length
        check_bfloat16(config, self.device)
        self.hooks = HookList(hooks, self.device, seed)
        self.sampler = sampler or EqualShares()
        self.eye = Eye.of(observation_space, config)
        init_seed, run_seed = (
            int(s) for s in np.random.SeedSequence(seed).generate_state(2, np.uint64) >> np.uint64(1)
        )
        init_rng = torch.Generator().manual_seed(init_seed)
        self.policy = ArmNetworks(self.eye, config, init_rng).to(self.device)
        self.target = deepcopy(self.policy).requires_grad_(False)
        self.optimiser = torch.optim.Adam(
            self.policy.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.replays = make_replays(config, self.eye, num_tasks)
        self.env_step = 0
        self.updates = 0
        self.updates_due = 0.0
        self.target_due = False
        self._rng = np.random.default_rng(run_seed)
        self._slots: ArmSlots | None = None
        self._frozen: set[str] = set()
        self._values = KeptValues()
        self.protected: Protected[ArmReplay] | None = None
        if config.compile and self.device.type == "cuda":
            for network in (*self.policy.depths, *self.target.depths):
                network.compile()

    @property
    def num_tasks(self) -> int:
        """Replays."""
        return len(self.replays)

    # Demonstrations.

    def add_demonstrations(self, demonstrations: Sequence[Demonstration], task: int = 0) -> None:
        """Put demonstrations of a task into its replay, where they stay.

        Raises:
            TypeError: One is no `Demonstration`.
            ValueError: There is no such task, no room, or one has poses off the grid or observations that
                this learner cannot read; those before it are in.
        """
        if not 0 <= task < self.num_tasks:
            raise ValueError(f"there is no task {task}: this learner has tasks 0 to {self.num_tasks - 1}")
        for demonstration in demonstrations:
            insert(demonstration, self.replays[task], self.config, self.episode_length)

    # What a stream of iterations needs.

    def iteration(self, envs: Envs, max_env_steps: int | None = None) -> Iteration:
        """`num_steps` rows, fewer if `max_env_steps` are fewer, each followed by the updates then due.

        Raises:
            ValueError: `max_env_steps` is less than one step of all envs, or the number of envs does not fit.
        """
        rows = self._num_rows(num_envs_of(envs), max_env_steps)
        episodes: list[Episode] = []
        history: list[dict[str, float]] = []
        for _ in range(rows):
            episodes += self.collect(envs, 1)
            while self.updates_due >= 1:
                history.append(self.update())
        names = sorted({name for part in history for name in part})
        metrics = {name: float(np.mean([part[name] for part in history if name in part])) for name in names}
        metrics["replay_transitions"] = float(sum(replay.num_transitions for replay in self.replays))
        return Iteration(rows * envs.num_envs, len(history), metrics, tuple(episodes))

    # The same in parts, for paradigms with an order of their own.

    def collect(self, envs: Envs, rows: int) -> tuple[Episode, ...]:
        """Step all slots `rows` times into the replay; the episodes that ended. Adds to `updates_due`."""
        num_envs = num_envs_of(envs)
        if self._slots is None:
            obs, info = envs.reset(seed=int(self._rng.integers(2**31 - 1)))
            self._slots = ArmSlots.begin(self.eye.read(obs), info, self.num_tasks)
        if len(self._slots.views) != num_envs:
            raise ValueError(
                f"the last step had {len(self._slots.views)} envs, these are {num_envs}: call restart() first"
            )
        episodes: list[Episode] = []
        for _ in range(rows):
            longest = max(self.episode_length, int(self._slots.length.max()) + 1)
            for replay in self.replays:
                replay.check_room(num_envs * (longest + 1))
            self.env_step += num_envs
            try:
                episodes += take_row(
                    envs, self._slots, self._act, self.replays, self.eye, self.config, self.env_step
                )
            except BaseException:  # envs that failed or were interrupted stand elsewhere: reset them next
                self._slots = None
                raise
            if self.ready:
                self.updates_due += num_envs * self.config.updates_per_env_step
        return tuple(episodes)

    def _act(self, slots: ArmSlots) -> NDArray[np.float32]:
        return act(slots, self.policy, self.replays, self.sampler, self.config, self.eye, self._rng)

    @property
    def ready_tasks(self) -> list[int]:
        """Tasks whose replay can be learned from."""
        config = self.config
        return [
            task
            for task, replay in enumerate(self.replays)
            if replay.num_transitions
            and (replay.num_demonstrated > 0 or replay.env_steps >= config.learn_start // self.num_tasks)
            and (replay.num_rewarded > 0 or not config.first_success)
        ]

    @property
    def ready(self) -> bool:
        """Whether an update is possible."""
        return bool(self.ready_tasks)

    def make_batch(
        self, tasks: Sequence[int], rng: np.random.Generator, latent: Tensor | None = None
    ) -> ArmBatch:
        """A prioritised batch with equal shares from the replays of `tasks`; `latent` has a row a task."""
        known = self._values if self.config.cached_targets and latent is None else None
        return make_batch(
            self.replays, tasks, self.config, self.eye, known, rng, self.device, latent, self.protected
        )

    def protect(self, policy: FrozenArmPolicy, envs: Envs, num: int, share: float, seed: int) -> None:
        """Keep `num` env steps of a frozen policy on `envs`, of which each batch has a share from now on.

        They are never overwritten, and in no state: who resumes protects them again. `seed` is that of the
        envs and of the actions.

        Raises:
            ValueError: A batch has no such share, the policy has other grids or cameras, or the networks are
                told by a latent what they play.
        """
        self.check_policy(policy)
        steps = played(policy, envs, num, seed, self.config, self.eye)
        self.protected = Protected(steps, share, self.config.batch_size)
        self._values.clear()

    def update(self, *, copy_target: bool = True) -> dict[str, float]:
        """One optimiser step; its metrics. Takes one from `updates_due`.

        Args:
            copy_target: Copy the networks into the target networks if that is due; else `target_due` tells
                the caller, who does it by `copy_to_target`.

        Raises:
            ValueError: There is nothing to learn from.
        """
        if not self.ready:
            raise ValueError(
                "there is nothing to learn from yet: add demonstrations, or collect more before the first "
                "update"
            )
        batch: ArmBatch = self.sampler.batch(self, self._rng)
        config = self.config
        loss, priority, metrics = c2f_arm_loss(
            batch, self._next_values(batch), self.policy.networks, config, self.eye
        )
        loss, told = self.hooks.added(loss, self.policy, batch, torch.mean)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        metrics |= told | clip_gradients(self.policy, config)
        for group in self.optimiser.param_groups:
            group["lr"] = config.learning_rate_at(self.updates)
        self.optimiser.step()
        surprise = priority.cpu().numpy()
        for task in np.unique(batch.task_index[batch.task_index != PROTECTED]):
            own = batch.task_index == task
            self.replays[task].update_priorities(batch.rows[own], surprise[own])
        self.updates += 1
        self.updates_due = max(0.0, self.updates_due - 1)
        self._move_target(copy_target=copy_target)
        self.hooks.after_step()
        return {name: float(value) for name, value in metrics.items()}

    def _next_values(self, batch: ArmBatch) -> Tensor:
        """V(s') of all depths [B, depths], what was not known worked out and kept."""
        if batch.next_scene is None:
            return batch.next_values
        worked_out = next_values(
            batch.next_scene, self.policy.networks, self.target.networks, self.config, self.eye
        )
        if self.config.cached_targets and batch.latent is None:
            self._values.keep(batch.next_keys, worked_out)
        values = batch.next_values.clone()
        values[batch.next_rows] = worked_out
        return values

    @torch.no_grad()
    def _move_target(self, *, copy_target: bool) -> None:
        tau = self.config.target_tau
        if tau:
            for theirs, own in zip(self.target.parameters(), self.policy.parameters(), strict=True):
                theirs.lerp_(own, tau)
            return
        self.target_due |= self.updates % self.config.target_period_updates == 0
        if self.target_due and copy_target:
            self.copy_to_target()

    # Weights and state.

    def copy_to_target(self) -> None:
        """Copy the networks into the target networks, and forget the values that were kept."""
        self.target_due = False
        self.target.load_state_dict(self.policy.state_dict())
        self._values.clear()

    def frozen_policy(self) -> FrozenArmPolicy:
        """A copy that later training does not change."""
        return FrozenArmPolicy(self.policy, self.config, self.eye)

    def weights(self) -> dict[str, Tensor]:
        """Copies of the parameters, contiguous, on the CPU."""
        return network_weights(self.policy)

    def load_weights(
        self,
        weights: Mapping[str, Tensor],
        *,
        only: str | Sequence[str] | None = None,
        keep_target: bool = False,
    ) -> None:
        """Overwrite the networks' parameters, and the target networks'; optimiser and replay stay.

        Args:
            weights: Names and shapes as `weights()` gives them.
            only: Parts to take, see `part_names`; None for all.
            keep_target: Leave the target networks as they are.

        Raises:
            ValueError: Names or shapes are not these networks', or there is no such part.
        """
        load_weights(self.policy, weights, (only,) if isinstance(only, str) else only)
        if not keep_target:
            self.copy_to_target()

    def part_names(self) -> tuple[str, ...]:
        """The parts that can be loaded, frozen or reset alone."""
        return PARTS if self.policy.context is not None else PARTS[:2]

    def freeze(self, *parts: str) -> None:
        """Train everything but these parts from now on."""
        check_parts(parts, self.part_names())
        self._frozen |= set(parts)
        freeze_parts(self.policy, self._frozen)

    def unfreeze(self, *parts: str) -> None:
        """Train these parts again, all if none are named."""
        self._frozen -= set(parts or PARTS)
        freeze_parts(self.policy, self._frozen)

    def reset_parts(self, *parts: str) -> None:
        """Draw these parts' weights anew, the target networks' as well, and forget their moments."""
        check_parts(parts, self.part_names())
        rng = torch.Generator().manual_seed(int(self._rng.integers(2**62)))
        fresh = network_weights(ArmNetworks(self.eye, self.config, rng))
        for networks in (self.policy, self.target):
            load_weights(networks, fresh, parts)
        anew = [own for name, own in self.policy.named_parameters() if part_of(name) in parts]
        reset_optimiser_state(self.optimiser, anew)
        self._values.clear()

    def reset_optimiser(self) -> None:
        """Forget Adam's moments, as a fresh optimiser would have none."""
        self.optimiser.state.clear()

    def restart(self) -> None:
        """Forget the running episodes, not what was learned of them: the next step resets the envs."""
        self._slots = None

    def move(self, envs: Envs, tasks: Sequence[Any], mask: NDArray[np.bool_]) -> None:
        """Let the slots of the mask [B] begin an episode of another task.

        Args:
            envs: Reset with `options={"tasks": tasks, "reset_mask": mask}`.
            tasks: [B], as the envs take them; of no effect outside of the mask.
            mask: [B] bool.

        Raises:
            ValueError: No step has been taken since the start or `restart()`, or a task has no replay.
        """
        if self._slots is None:
            raise ValueError("no slot has begun to play: move them with envs.reset before the first step")
        obs, info = envs.reset(options={"tasks": tasks, "reset_mask": mask})
        self._slots.replace(mask, ArmSlots.begin(self.eye.read(obs), info, self.num_tasks))

    def check_policy(self, policy: Any) -> None:
        """Raises ValueError unless a frozen policy sees and acts as this learner does, grids and cameras."""
        if isinstance(policy, FrozenArmPolicy):
            check_outlook(outlook_of(policy.config), outlook_of(self.config), "this policy is")

    def state_dict(self) -> State:
        """Everything but the envs, as tensors and JSON values."""
        return state_of(self)

    def load_state_dict(self, state: State) -> None:
        """Go on as the learner that gave `state`; the caller restores the envs.

        Raises:
            ValueError: `state` is of other networks, other grids or another replay.
        """
        restore(self, state)
