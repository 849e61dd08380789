"""What comes out of training, to take home: a policy that acts, saves itself and is loaded again.

A saved agent is a folder of two files, and nothing in them is executed when it is loaded:

    weights.safetensors  parameters, named as in the module; under "carried/" what else the policy begins
                         with: RL2's memory, PEARL's latent
    agent.json           the learner, its config and the spaces
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces import flatdim, flatten
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from fvm_learners.latent import LatentDistribution
from fvm_learners.memory import Memory
from fvm_learners.precision import cpu_has_bfloat16
from fvm_learners.space_json import space_from_json, space_to_json

FORMAT = 1
CARRIED = "carried/"
LEARNERS: Mapping[str, tuple[str, str]] = {
    "ppo": ("fvm_learners.ppo.ppo:PPO", "fvm_learners.ppo.config:PPOConfig"),
    "rainbow": ("fvm_learners.rainbow.rainbow:Rainbow", "fvm_learners.rainbow.config:RainbowConfig"),
    "c2f_arm": ("fvm_learners.c2f_arm.learner:C2FARM", "fvm_learners.c2f_arm.config:C2FARMConfig"),
}
"""Class and config of each learner that comes with this package."""


@dataclass(frozen=True)
class AgentState:
    """Where an agent stands in its episodes, B of them.

    Attributes:
        policy: The policy's own state, a tensor; None for a policy without memory.
        action: What was played last, as the env takes it; None at the start.
    """

    policy: Any
    action: Any = None


class Agent:
    """A trained policy with all that is needed to use it elsewhere.

    Args:
        policy: Frozen, of the learner.
        learner: The learner's name.
        config: The learner's.
        observation_space: Of one env.
        action_space: Of one env.
        reward_scale: Factor on rewards that an agent with feedback (RL2) was trained with.
        seed: Of the actions that it draws.
        kind: The learner's class; None for the learner of this package that has this name.
    """

    def __init__(
        self,
        policy: Any,
        *,
        learner: str,
        config: Any,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        reward_scale: float = 0.1,
        seed: int = 0,
        kind: type[Any] | None = None,
    ) -> None:
        self.policy, self.learner, self.config, self._kind = policy, learner, config, kind
        self.observation_space, self.action_space = observation_space, action_space
        self.reward_scale = reward_scale
        self._seeds, self._rngs = np.random.SeedSequence(seed), list[np.random.Generator]()

    @classmethod
    def of(cls, learner: Any, policy: Any = None, **options: Any) -> Agent:
        """Returns the agent that a learner has become, as a copy.

        Args:
            learner: Of this package, or any with `name`, `config`, spaces and `frozen_policy()`.
            policy: Frozen, in place of the learner's own: one that carries a memory or a latent.
            **options: `reward_scale` and `seed`.
        """
        return cls(
            learner.frozen_policy() if policy is None else policy,
            learner=learner.name,
            config=learner.config,
            observation_space=learner.observation_space,
            action_space=learner.action_space,
            kind=type(learner),
            **options,
        )

    def with_policy(self, policy: Any, config: Any = None, *, seed: int = 0) -> Agent:
        """Returns an agent of the same learner with another frozen policy, as one that has learned on.

        Args:
            policy: Frozen.
            config: That it was trained with; None for this agent's.
            seed: Of the actions that it draws.
        """
        return Agent(
            policy,
            learner=self.learner,
            config=self.config if config is None else config,
            observation_space=self.observation_space,
            action_space=self.action_space,
            reward_scale=self.reward_scale,
            seed=seed,
            kind=self._kind,
        )

    def make_learner(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        *,
        seed: int,
        device: str = "cpu",
        config: Any = None,
        **options: Any,
    ) -> Any:
        """Returns a fresh learner of the agent's kind and config, its weights drawn from `seed`.

        Args:
            observation_space: Of one env.
            action_space: Of one env.
            seed: The learner's.
            device: The learner's.
            config: In place of the agent's; None for that.
            **options: What else it may be given, such as `hooks` or `num_tasks`; what its class has no
                argument for is left out.

        Raises:
            ValueError: The agent is of a learner that this package does not have, and its class is not known.
        """
        kind = self._kind or _known(self.learner)[0]
        taken = signature(kind).parameters
        options = {name: value for name, value in options.items() if name in taken}
        config = self.config if config is None else config
        return kind(observation_space, action_space, config, seed=seed, device=device, **options)

    def module(self) -> nn.Module:
        """Returns a copy of the network as a plain module of tensors (`modules.py`), to be exported.

        Raises:
            ValueError: This learner's policies have none.
        """
        if not hasattr(self.policy, "module"):
            raise ValueError(
                f"policies of {self.learner!r} give no plain module: export what is in its weights"
            )
        made: nn.Module = self.policy.module()
        return made

    def predict(
        self,
        obs: Any,
        state: AgentState | None = None,
        episode_start: ArrayLike | None = None,
        reward: ArrayLike | None = None,
    ) -> tuple[Any, AgentState]:
        """Returns the action and the state to give with the next observation.

        Args:
            obs: Of one env, or [B, ...] of B envs, as the env gives it.
            state: What the call before returned; None to begin, which forgets everything.
            episode_start: Whether `obs` is an episode's first, [B] for B envs; of no use with `state=None`.
            reward: What the last action earned, [B] for B envs. Only agents that are told so (RL2) need it,
                and only if `obs` comes without its feedback; they then remember from one episode to the next
                until `state=None`.

        Raises:
            ValueError: The observation has another shape, a reward is missing, or one of the other arguments
                is of another number of envs.
        """
        shown_space = _shown(self.observation_space)
        told = isinstance(self.observation_space, spaces.Dict) and not isinstance(obs, Mapping)
        if isinstance(obs, Mapping) and _first(self.observation_space) not in obs:
            raise ValueError(
                f"an observation has {', '.join(sorted(obs))} and no {_first(self.observation_space)}: give "
                "it as the envs do that this agent was trained on"
            )
        shown = np.asarray(obs[_first(self.observation_space)] if isinstance(obs, Mapping) else obs)
        single = shown.shape == shown_space.shape
        if not single and shown.shape[1:] != shown_space.shape:
            raise ValueError(
                f"an observation has shape {shown.shape}: expected {shown_space.shape} of one env, or that "
                "with the number of envs before it"
            )
        batch: Any = shown if told or not isinstance(obs, Mapping) else obs
        if single:
            batch = (
                {name: np.asarray(part)[None] for name, part in batch.items()}
                if isinstance(batch, Mapping)
                else batch[None]
            )
        num_envs = 1 if single else len(shown)
        for name, given in (("episode_start", episode_start), ("reward", reward)):
            if given is not None and np.shape(given) not in ((), (num_envs,)):
                raise ValueError(f"{name} has shape {np.shape(given)}: expected one for each of {num_envs}")
        if state is not None and state.policy is not None and len(state.action) != num_envs:
            came = f"the state is of {len(state.action)} envs and the observation of {num_envs}"
            raise ValueError(f"{came}: give state=None to begin anew")
        begins: NDArray[np.bool_] = np.full(num_envs, state is None)
        starts = begins if episode_start is None else begins | np.asarray(episode_start, dtype=np.bool_)
        if told:
            feedback = self._feedback(state, starts, reward, num_envs)
            batch = {"obs": batch, "feedback": feedback}
        policy_state = self.policy.initial_state(num_envs) if state is None else state.policy
        while len(self._rngs) < num_envs:
            self._rngs.append(np.random.default_rng(self._seeds.spawn(1)[0]))
        resets = begins if told else starts
        action, policy_state = self.policy.act(batch, policy_state, resets, self._rngs[:num_envs])
        return (action[0] if single else action), AgentState(policy_state, action)

    def _feedback(
        self, state: AgentState | None, starts: NDArray[np.bool_], reward: ArrayLike | None, num_envs: int
    ) -> NDArray[np.float32]:
        """Previous action, scaled reward and whether a trial ended, [B, d], as RL2 is told."""
        feedback = np.zeros((num_envs, flatdim(self.action_space) + 2), dtype=np.float32)
        if state is None:
            return feedback
        if reward is None:
            raise ValueError("this agent is told what its last action earned: give `reward` with each call")
        feedback[:, :-2] = np.stack([np.asarray(flatten(self.action_space, one)) for one in state.action])
        feedback[:, -2] = np.asarray(reward, dtype=np.float64) * self.reward_scale
        feedback[:, -1] = starts
        return feedback

    def save(self, folder: str | Path) -> None:
        """Writes the agent into a folder, which is made if it is missing.

        Raises:
            OSError: It cannot be written.
            TypeError: A space or a setting cannot be told in JSON.
        """
        description = {
            "format": FORMAT,
            "learner": self.learner,
            "config": asdict(self.config),
            "observation_space": space_to_json(self.observation_space),
            "action_space": space_to_json(self.action_space),
            "reward_scale": self.reward_scale,
        }
        told = json.dumps(description, indent=1, allow_nan=False, default=_number)
        folder = Path(folder).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        weights = save({**self.policy.weights, **carried(self.policy)})
        (folder / "weights.safetensors").write_bytes(weights)  # `save_file` has an error of its own
        (folder / "agent.json").write_text(told + "\n")


def load_agent(
    folder: str | Path,
    *,
    device: str = "cpu",
    seed: int = 0,
    learners: Mapping[str, tuple[type[Any], type[Any]]] | None = None,
) -> Agent:
    """Returns the agent in a folder that `Agent.save` wrote, on whatever machine.

    It acts without what its learner learned with: a CUDA graph, or bfloat16 on a CPU that has none.

    Args:
        folder: With `agent.json` and `weights.safetensors`.
        device: Where it computes.
        seed: Of the actions that it draws.
        learners: Classes and configs, by name, of learners that this package does not have.

    Raises:
        FileNotFoundError: There is no agent.
        ValueError: It is of another format, of a learner or settings that are not known, or damaged, or its
            weights do not fit.
    """
    folder = Path(folder).expanduser()
    path = folder / "agent.json"
    if not path.exists():
        raise FileNotFoundError(f"{folder} holds no agent: expected agent.json and weights.safetensors there")
    try:
        description = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise ValueError(f"{path} is no agent of format {FORMAT}: save it again with this version")
    try:
        name, settings = description["learner"], description["config"]
        kind, config_kind = (learners or {}).get(name) or _known(name)
        if unknown := sorted(settings.keys() - {field.name for field in fields(config_kind)}):
            raise ValueError(
                f"{path} has settings that {config_kind.__name__} has not here, {', '.join(unknown)}: load "
                "it with the version that saved it"
            )
        config = config_kind(**{field: _tuple(value) for field, value in settings.items()})
        observation_space = space_from_json(description["observation_space"])
        action_space = space_from_json(description["action_space"])
        reward_scale = float(description["reward_scale"])
    except (KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from error
    try:
        saved = load_file(folder / "weights.safetensors", device=device)
    except SafetensorError as error:
        raise ValueError(f"{folder / 'weights.safetensors'} is damaged: {error}") from None
    learner = kind(observation_space, action_space, _to_act(config), seed=0, device=device)
    learner.load_weights({part: tensor for part, tensor in saved.items() if not part.startswith(CARRIED)})
    return Agent(
        carrying(learner.frozen_policy(), saved),
        learner=name,
        config=config,
        observation_space=observation_space,
        action_space=action_space,
        reward_scale=reward_scale,
        seed=seed,
        kind=kind,
    )


def _known(name: str) -> tuple[type[Any], type[Any]]:
    """The class and the config of a learner of this package."""
    if name not in LEARNERS:
        raise ValueError(
            f"this agent is of a learner {name!r}, which this package does not have: give its class and "
            f"config, load_agent(folder, learners={{{name!r}: (Learner, Config)}})"
        )
    kind, config = map(_imported, LEARNERS[name])
    return kind, config


def _first(space: Any) -> str:
    """The part of a Dict that tells whether observations are of one env or of several."""
    return "obs" if "obs" in space.spaces else str(next(iter(space.spaces)))


def _shown(space: spaces.Space[Any]) -> spaces.Space[Any]:
    """What an observation's shape is held against: a part of a Dict, or all."""
    return space.spaces[_first(space)] if isinstance(space, spaces.Dict) else space


def carried(policy: Any) -> dict[str, Tensor]:
    """Returns what a frozen policy begins with beside its parameters, under "carried/", on the CPU."""
    found: dict[str, Tensor] = {}
    for what in ("memory", "latent"):
        begins = getattr(policy, what, None)
        if begins is not None:
            found |= {f"{CARRIED}{what}/{name}": one.cpu().clone() for name, one in vars(begins).items()}
    return found


def carrying(policy: Any, saved: Mapping[str, Tensor]) -> Any:
    """Returns the policy with what `carried` kept of another; other tensors in `saved` do not count."""
    parts: dict[str, dict[str, Tensor]] = {"memory": {}, "latent": {}}
    for name, tensor in saved.items():
        if name.startswith(CARRIED):
            what, _, field = name.removeprefix(CARRIED).partition("/")
            parts[what][field] = tensor
    if parts["memory"]:
        policy = policy.remembering(Memory(**parts["memory"]))
    if parts["latent"]:
        policy = policy.with_latent(LatentDistribution(**parts["latent"]))
    return policy


def _to_act(config: Any) -> Any:
    """The config of a learner that only acts, here: as small a replay as can be, and no device of its own."""
    changed: dict[str, Any] = {"learn_start": 0, "replay_capacity": 1}
    if getattr(config, "update_mode", None) == "cuda-graph":
        changed["update_mode"] = "eager"
    if not cpu_has_bfloat16():
        changed["cpu_bfloat16"] = False
    return replace(config, **{name: value for name, value in changed.items() if hasattr(config, name)})


def _number(value: Any) -> Any:
    """A number of numpy's, which a config may hold, as JSON knows it."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a setting is {value!r}: an agent that is saved has text, numbers and lists of them")


def _imported(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


def _tuple(value: Any) -> Any:
    return tuple(_tuple(one) for one in value) if isinstance(value, list) else value
