"""Rainbow (Hessel et al. 2018, arXiv 1710.02298): DQN with six extensions, and its data-efficient variant.

    a*      = argmax_a sum_i z_i p(s_{t+n}, a, z_i; theta)                             double Q-learning
    target  = project[R_t^n + discount_t^n z, p(s_{t+n}, a*; theta_target)]   `c51.py`; n-step: `replay.py`
    CE_t    = -sum_i target_i log p(s_t, a_t, z_i; theta)
    loss    = mean of w_t CE_t                                           importance weights: `samplers.py`
    p_t     = CE_t^alpha                                                 prioritised replay: `sum_tree.py`

p comes from a dueling network with noisy layers (`networks/q_network.py`); it acts greedily, exploring by its
noise alone. All of the paper is in; `RainbowConfig` names what else of others' code can be switched on.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from fvm_learners.autoreset import Envs, num_envs_of
from fvm_learners.episodes import Episode
from fvm_learners.hooks import Hook, HookList
from fvm_learners.iteration import IteratedLearner, Iteration, State, means
from fvm_learners.parts import PartedLearner, Parts
from fvm_learners.rainbow.acting import Slots, act, drop, leave, take_row
from fvm_learners.rainbow.advantages import AdvantageDistribution
from fvm_learners.rainbow.c51 import project
from fvm_learners.rainbow.config import RainbowConfig
from fvm_learners.rainbow.frozen_q_policy import FrozenQPolicy
from fvm_learners.rainbow.gradient_step import Noise, RecordedStep
from fvm_learners.rainbow.protecting import played
from fvm_learners.rainbow.q_network import QNetwork
from fvm_learners.replay import Replay, make_replays
from fvm_learners.replay.protected import PROTECTED, Protected
from fvm_learners.replay.samplers import ReplayBatch, Sampler, TaskBalanced, prioritised_batch
from fvm_learners.weights import (
    load_network_weights,
    load_optimiser_state,
    network_weights,
    optimiser_state,
)

NO_NOISE = Noise()


def rainbow_loss(
    batch: ReplayBatch,
    online: QNetwork,
    target: QNetwork,
    config: RainbowConfig,
    noise: Noise = NO_NOISE,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """The loss to minimise, each transition's loss [B] for its priority, and metrics."""
    samples = torch.arange(len(batch.action), device=batch.action.device)
    log_prob = online(batch.obs, noise.online, batch.latent)[samples, batch.action]  # [B, Z]
    with torch.no_grad():
        latent = None if batch.latent is None else batch.latent.detach()
        next_obs = online.prepared(batch.next_obs)
        best = online.q_values(next_obs, noise.online, latent).argmax(dim=1)
        next_prob = target(next_obs, noise.target, latent)[samples, best].exp()
        target_prob = project(next_prob, batch.return_, batch.discount, online.atoms)
    cross_entropy = -(target_prob * log_prob).sum(dim=1)  # [B]
    loss = (batch.weight * cross_entropy).mean()
    with torch.no_grad():
        entropy = -torch.xlogy(target_prob, target_prob).sum(dim=1)
        kl = (cross_entropy - entropy).clamp(min=0)
        q_value = log_prob.exp() @ online.atoms
        metrics = {
            "cross_entropy": cross_entropy.mean(),
            "kl": kl.mean(),
            "q_value": q_value.mean(),
            "td_error": (target_prob @ online.atoms - q_value).abs().mean(),
        }
    sample_loss = kl if config.priority_loss == "kl" else cross_entropy.detach()
    return loss, sample_loss, {name: metric.detach() for name, metric in metrics.items()}


class Rainbow(IteratedLearner, PartedLearner, AdvantageDistribution):
    """Learns on any `gymnasium.vector.VectorEnv` with discrete actions, one `iteration` at a time.

    `version` rises whenever the same config and seed give other weights than before.

    Args:
        observation_space: Of one slot.
        action_space: Of one slot.
        config: Hyperparameters.
        seed: Of the weights, the noise, the batches, and the envs' first reset.
        device: Of networks and replay.
        num_tasks: Replay buffers; a slot's steps go into the one of its `info["task_index"]`.
        hooks: Terms that are added to the loss, in this order, outside importance weights and priorities.
        sampler: Makes batches and latents; None for equal shares from all buffers that are ready.
    """

    name: ClassVar[str] = "rainbow"
    version: ClassVar[int] = 1
    config: RainbowConfig

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        config: RainbowConfig,
        *,
        seed: int,
        device: str = "cpu",
        num_tasks: int = 1,
        hooks: Sequence[Hook] = (),
        sampler: Sampler | None = None,
    ) -> None:
        self.observation_space, self.action_space = observation_space, action_space
        self.config, self.device = config, torch.device(device)
        self.hooks = HookList(hooks, self.device, seed)
        self.sampler: Sampler = sampler or TaskBalanced()
        init_seed, noise_seed, run_seed = (
            int(s) for s in np.random.SeedSequence(seed).generate_state(3, np.uint64) >> 1
        )
        self.policy = self._network(init_seed).to(self.device)
        self.target = deepcopy(self.policy).requires_grad_(False)
        self.optimiser = torch.optim.Adam(
            self.policy.parameters(),
            lr=config.learning_rate,
            eps=config.adam_eps,
            fused=True,
            capturable=config.update_mode == "cuda-graph",
        )
        self.replays = make_replays(
            num_tasks,
            config.replay_capacity,
            self.policy.obs_shape,
            self.policy.obs_dtype,
            frame_stack=config.frame_stack,
            n_step=config.n_step,
            discount=config.discount,
            priority_exponent=config.priority_exponent,
            device=self.device,
        )
        self.protected: Protected[Replay] | None = None
        self.env_step, self.updates, self.updates_due = 0, 0, 0.0
        self.target_due = False
        self._noise_rng = torch.Generator(self.device).manual_seed(noise_seed)
        self._rng = np.random.default_rng(run_seed)
        self._slots: Slots | None = None
        self._loss = torch.compile(rainbow_loss) if config.update_mode == "compile" else rainbow_loss
        self._graph = None
        if config.update_mode == "cuda-graph":
            self._graph = RecordedStep(self._gradient_step, self.policy, self.hooks)
        self._parts = Parts(self.policy, changed=self._forget_graph)

    def _network(self, seed: int) -> QNetwork:
        """A fresh network, its weights drawn from `seed`."""
        rng = torch.Generator().manual_seed(seed)
        return QNetwork(self.observation_space, self.action_space, self.config, rng)

    # What a stream of iterations needs.

    def iteration(self, envs: Envs, max_env_steps: int | None = None) -> Iteration:
        """`num_steps` rows, fewer if `max_env_steps` are fewer, each followed by the updates then due.

        Raises:
            ValueError: `max_env_steps` is less than one step of all envs, or the number of envs does not fit.
        """
        rows = self._num_rows(num_envs_of(envs), max_env_steps)
        episodes: list[Episode] = []
        history: list[dict[str, Tensor]] = []
        for _ in range(rows):
            episodes += self.collect(envs, 1)
            while self.updates_due >= 1:
                history.append(self._update())
        return Iteration(rows * envs.num_envs, len(history), self._means(history), tuple(episodes))

    # The same in parts, for paradigms with an order of their own.

    def collect(self, envs: Envs, rows: int) -> tuple[Episode, ...]:
        """Step all slots `rows` times into the replay; the episodes that ended. Adds to `updates_due`."""
        num_envs = num_envs_of(envs)
        if self._slots is None:
            for replay in self.replays:
                replay.check_slots(num_envs)
            obs, info = envs.reset(seed=int(self._rng.integers(2**31 - 1)))
            self._slots = Slots.begin(obs, info, len(self.replays))
        if len(self._slots.obs) != num_envs:
            raise ValueError(
                f"the last step had {len(self._slots.obs)} envs, these are {num_envs}: call restart() first"
            )
        episodes: list[Episode] = []
        for _ in range(rows):
            self.env_step += num_envs
            try:
                episodes += take_row(
                    envs, self._slots, self._act, self.replays, self.config, self.env_step, self.policy.to_env
                )
            except BaseException:  # envs that failed or were interrupted stand elsewhere: reset them next
                drop(self._slots, self.replays)
                self._slots = None
                raise
            if self.ready:
                self.updates_due += num_envs * self.config.updates_per_env_step
        return tuple(episodes)

    def _act(self, slots: Slots) -> NDArray[np.int64]:
        return act(slots, self.policy, self.replays, self.sampler, self.config, self._noise_rng, self._rng)

    def protect(self, policy: Any, envs: Envs, num: int, share: float, seed: int) -> None:
        """Keep `num` env steps of a frozen policy on `envs`, of which each batch has a share from now on.

        They are never overwritten, and in no state: who resumes protects them again. `seed` is that of the
        envs and of the actions.

        Raises:
            ValueError: A batch has no such share, or the network is told by a latent what it plays.
        """
        steps = played(policy, envs, num, seed, self.policy, self.config, self.device)
        self.protected = Protected(steps, share, self.config.batch_size)

    def update(self, *, copy_target: bool = True) -> dict[str, float]:
        """One optimiser step; its metrics. Takes one from `updates_due`.

        Args:
            copy_target: Copy the network into the target network if that is due; else `target_due` tells the
                caller, who does it by `copy_to_target` when the network is what the target should be.

        Raises:
            ValueError: No buffer has reached its learn start.
        """
        return self._means([self._update(copy_target=copy_target)])

    @property
    def ready_tasks(self) -> list[int]:
        """Buffers that have reached their share of the learn start."""
        enough = self.config.learn_start // len(self.replays)
        return [
            task
            for task, replay in enumerate(self.replays)
            if replay.env_steps >= enough and replay.num_transitions > 0
        ]

    @property
    def ready(self) -> bool:
        """Whether an update is possible: some buffer has reached its share of the learn start."""
        return bool(self.ready_tasks)

    @property
    def beta(self) -> float:
        """Exponent of the importance weights, now."""
        return self.config.beta_at(self.env_step)

    def _update(self, *, copy_target: bool = True) -> dict[str, Tensor]:
        if not self.ready:
            raise ValueError(
                f"no buffer has {self.config.learn_start // len(self.replays)} env steps yet (learn_start "
                "divided by the number of buffers): collect more before the first update"
            )
        batch = self.sampler.batch(self, self._rng)
        noise = Noise(self.policy.draw_noise(1, self._noise_rng), self.policy.draw_noise(1, self._noise_rng))
        sample_loss, metrics = (self._graph or self._gradient_step)(batch, noise)
        self.hooks.after_step()
        losses = sample_loss.cpu().numpy()
        for task in np.unique(batch.task_index[batch.task_index != PROTECTED]):
            own = batch.task_index == task
            self.replays[task].update_priorities(batch.rows[own], losses[own])
        self.updates += 1
        self.updates_due = max(0.0, self.updates_due - 1)
        self.target_due |= self.updates % self.config.target_period_updates == 0
        if self.target_due and copy_target:
            self.copy_to_target()
        return metrics

    def _gradient_step(self, batch: ReplayBatch, noise: Noise) -> tuple[Tensor, dict[str, Tensor]]:
        """One step of Adam down the loss and the hooks' terms; each transition's loss [B], and metrics."""
        self.optimiser.zero_grad()
        loss, sample_loss, metrics = self._loss(batch, self.policy, self.target, self.config, noise)
        loss, added = self.hooks.added(loss, self.policy, batch, torch.mean)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.max_grad_norm)
        self.optimiser.step()
        return sample_loss, metrics | added | {"grad_norm": norm}

    def _forget_graph(self) -> None:
        """After other parameters are to be trained, or the optimiser's state was replaced."""
        for copied, module in zip(self.target.modules(), self.policy.modules(), strict=True):
            copied.training = module.training
        if self._graph is not None:
            self._graph.forget()

    def _means(self, history: Sequence[dict[str, Tensor]]) -> dict[str, float]:
        return means(history) | {
            "beta": self.beta,
            "replay_transitions": float(sum(r.num_transitions for r in self.replays)),
        }

    # Weights and state.

    def copy_to_target(self) -> None:
        """Copy the network into the target network."""
        self.target_due = False
        self.target.load_state_dict(self.policy.state_dict())

    def frozen_policy(self) -> FrozenQPolicy:
        """A copy that later training does not change."""
        return FrozenQPolicy(
            self.policy, self.config.evaluation_eps, latent_every_step=self.config.latent_every_step
        )

    def load_weights(
        self,
        weights: Mapping[str, Tensor],
        *,
        only: str | Sequence[str] | None = None,
        keep_target: bool = False,
    ) -> None:
        """As every learner's, and then copies the network into the target network unless `keep_target`."""
        super().load_weights(weights, only=only)
        if not keep_target:
            self.copy_to_target()

    def reset_parts(self, *parts: str) -> None:
        """Draw the weights of these parts anew, also the target network's, and forget their moments."""
        fresh = self._network(int(self._rng.integers(2**31 - 1))).state_dict()
        self._parts.reset(parts, fresh, self.optimiser)
        load_network_weights(self.target, fresh, self._parts.prefixes(parts))

    def make_batch(
        self, tasks: Sequence[int], rng: np.random.Generator, latent: Tensor | None = None
    ) -> ReplayBatch:
        """A batch with equal shares from the replays of `tasks`; see `samplers.prioritised_batch`."""
        return prioritised_batch(self, tasks, rng, latent)

    def reset_sigmas(self) -> None:
        """Put the noise's scale back to where it started, in the target network as well."""
        self.policy.reset_sigmas()
        self.target.reset_sigmas()

    def restart(self) -> None:
        """Forget the running episodes, not what was learned of them: the next step resets the envs."""
        if self._slots is not None:
            leave(self._slots, self.replays, np.ones(len(self._slots.obs), dtype=np.bool_))
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
        leave(self._slots, self.replays, mask)
        obs, info = envs.reset(options={"tasks": tasks, "reset_mask": mask})
        self._slots.replace(mask, Slots.begin(obs, info, len(self.replays)))

    def state_dict(self) -> State:
        """Everything but the envs, as tensors and JSON values."""
        return {
            "weights": self.weights(),
            "target": network_weights(self.target),
            "optimiser": optimiser_state(self.optimiser, self.policy),
            "replays": {str(task): replay.state_dict() for task, replay in enumerate(self.replays)},
            "frozen": sorted(self._parts.frozen),
            "slots": None if self._slots is None else self._slots.state_dict(),
            "hooks": self.hooks.state_dict(),
            "noise_rng": self._noise_rng.get_state(),
            "rng": self._rng.bit_generator.state,
            "env_step": self.env_step,
            "updates": self.updates,
            "updates_due": self.updates_due,
            "target_due": self.target_due,
        }

    def load_state_dict(self, state: State) -> None:
        """Go on as the learner that gave `state`; the caller restores the envs.

        Raises:
            ValueError: `state` is of another network, other replays or other hooks.
        """
        if len(state["replays"]) != len(self.replays):
            told = f"num_tasks={len(self.replays)}, the state is of {len(state['replays'])}"
            raise ValueError(f"this learner has {told}: make it with what it was saved with")
        self.load_weights(state["weights"])
        self.target.load_state_dict(state["target"])
        self.unfreeze()
        if state["frozen"]:
            self.freeze(*state["frozen"])
        load_optimiser_state(self.optimiser, self.policy, state["optimiser"])
        self._forget_graph()
        for task, replay in enumerate(self.replays):
            replay.load_state_dict(state["replays"][str(task)])
        self._slots = None if state["slots"] is None else Slots.from_state_dict(state["slots"], self.device)
        self.hooks.load_state_dict(state["hooks"])
        self._noise_rng.set_state(state["noise_rng"])
        self._rng.bit_generator.state = state["rng"]
        self.env_step, self.updates = state["env_step"], state["updates"]
        self.updates_due, self.target_due = state["updates_due"], state.get("target_due", False)
