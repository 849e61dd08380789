"""The base learners that fvm brings, and how a job's config and learner are made from its spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fvm_learners.c2f_arm import outlook
from fvm_learners.c2f_arm.config import C2FARMConfig
from fvm_learners.c2f_arm.demonstrations import Demonstration
from fvm_learners.ppo.config import PPOConfig
from fvm_learners.rainbow.config import RainbowConfig
from fvm_meta.worlds.reinforce import Reinforce, ReinforceConfig

from study.identity import fields_of
from study.registry import LearnerKind, registered

LearnerConfig = Any  # the config of any registered learner


def _latent_words(config: Any) -> str:
    return "with a latent" if config.latent_size else "without a latent"


def _memory_words(config: PPOConfig) -> str:
    return "with memory" if config.recurrent else "without memory"


def _learns_at_once(config: RainbowConfig, num_envs: int, *, learns: bool) -> RainbowConfig:
    at_once = min(config.learn_start, config.num_steps * num_envs // 2)
    return replace(config, learn_start=at_once if learns else config.replay_capacity)


def _replays_nbytes(config: RainbowConfig, observation_space: Any, num_tasks: int) -> int:
    from fvm_learners.networks.encoders import check_observation_space
    from fvm_learners.replay.replay_size import replay_nbytes

    shape, dtype = check_observation_space(observation_space, config.encoder, "encoder")
    capacity = config.replay_capacity // num_tasks
    return num_tasks * replay_nbytes(capacity, shape, dtype, config.frame_stack)


def _greedy(config: RainbowConfig) -> str:
    return f"greedy but for {config.evaluation_eps:.1%} random ones"


def _poses_at_once(config: C2FARMConfig, num_envs: int, *, learns: bool) -> C2FARMConfig:
    if learns:
        return replace(config, learn_start=0, first_success=False)
    return replace(config, learn_start=10**9)


def _frames_nbytes(config: C2FARMConfig, observation_space: Any, num_tasks: int) -> int:
    from fvm_learners.c2f_arm.views import Eye

    return config.replay_capacity * Eye.of(observation_space, config).nbytes


LEARNERS = (
    LearnerKind(
        name="ppo",
        config=PPOConfig,
        learner="fvm_learners.ppo.ppo:PPO",
        capabilities=frozenset({"inner", "memory", "parts", "critic", "distribution", "entropy"}),
        words=_memory_words,
        lasting=("network", "mlp_sizes", "recurrent", "lstm_size"),
    ),
    LearnerKind(
        name="rainbow",
        config=RainbowConfig,
        learner="fvm_learners.rainbow.rainbow:Rainbow",
        capabilities=frozenset(
            {"inner", "replay", "latent", "parts", "sigmas", "distribution", "protected", "eps"}
        ),
        memory_nbytes=_replays_nbytes,
        as_measured=_learns_at_once,
        words=_latent_words,
        acts=_greedy,
        lasting=(
            "encoder",
            "mlp_sizes",
            "hidden_size",
            "frame_stack",
            "num_atoms",
            "v_min",
            "v_max",
            "latent_size",
            "context_hidden_size",
            "context_next_obs",
            "output_relu",
        ),
    ),
    LearnerKind(
        name="c2f_arm",
        config=C2FARMConfig,
        learner="fvm_learners.c2f_arm.learner:C2FARM",
        capabilities=frozenset({"inner", "replay", "latent", "parts", "demos", "distribution", "protected"}),
        memory_nbytes=_frames_nbytes,
        as_measured=_poses_at_once,
        words=_latent_words,
        acts=lambda config: "the best it knows",
        demonstration=Demonstration.of,
        lasting=(*outlook.FIELDS, "context_hidden_size"),
        # A state takes some seconds of simulation and 100 KB a camera.
        retain={"bc": {"states": 64, "batch_size": 8}, "ewc": {"states": 32}, "em": {"transitions": 64}},
    ),
    LearnerKind(
        name="reinforce",
        config=ReinforceConfig,
        learner=Reinforce,
        capabilities=frozenset({"inner", "distribution"}),
        lasting=("agents",),
    ),
)


def kind_of(config: LearnerConfig) -> LearnerKind:
    """Returns the record of the learner that a config is for.

    Raises:
        ValueError: No registered learner has such a config.
    """
    for kind in registered().learners.values():
        if type(config) is kind.config:
            return kind
    known = ", ".join(kind.config.__name__ for kind in registered().learners.values())
    raise ValueError(f"no learner has a config of type {type(config).__name__}; registered are {known}")


def own_networks(config: LearnerConfig) -> dict[str, Any]:
    """Returns by field the factories of a user's that a config names, as "module:Factory"; most name none.

    Raises:
        ValueError: There is no such factory.
    """
    from fvm_learners.networks.encoders import factory_of, is_factory

    named = {name: getattr(config, name, None) for name in ("network", "encoder")}
    return {
        name: factory_of(value)
        for name, value in named.items()
        if isinstance(value, str) and is_factory(value)
    }


def differing(pretrained: LearnerConfig, adapted: LearnerConfig) -> list[str]:
    """Returns the fields in which two configs differ that must last from a pretraining to an adaptation.

    Raises:
        ValueError: They are of different learners, or of none that is registered.
    """
    kinds = [kind_of(config) for config in (pretrained, adapted)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"{kinds[0].name} is pretrained and {kinds[1].name} adapts; give both phases one learner"
        )
    return [name for name in kinds[0].lasting if getattr(pretrained, name) != getattr(adapted, name)]


def spec_of(config: LearnerConfig) -> dict[str, Any]:
    """Returns what of a config goes into a job's spec: its fields, by the learner's name."""
    return {kind_of(config).name: fields_of(config)}


def read_spec(phase: Mapping[str, Any]) -> tuple[LearnerKind, LearnerConfig]:
    """Returns the learner's record and the config in a phase's spec."""
    ((name, values),) = phase["learner"].items()
    kind = registered().learners[name]
    return kind, kind.config(**{field: _tuple(value) for field, value in values.items()})


def make(
    kind: LearnerKind,
    config: LearnerConfig,
    observation_space: Any,
    action_space: Any,
    *,
    seed: int,
    device: str,
    hooks: Sequence[Any] = (),
    num_tasks: int = 1,
    sampler: Any = None,
) -> Any:
    """Returns a learner; one without a replay has no use for tasks and samplers."""
    kept = {"num_tasks": num_tasks, "sampler": sampler} if "replay" in kind.capabilities else {}
    spaces = observation_space, action_space
    return kind.made_by(*spaces, config, seed=seed, device=device, hooks=hooks, **kept)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
