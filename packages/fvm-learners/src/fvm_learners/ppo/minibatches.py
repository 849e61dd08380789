"""A rollout cut into minibatches, and minibatches into chunks that fit a CPU's cache.

Each epoch takes each valid sample once or, for a recurrent policy, each slot's whole sequence once.
Gradients of chunks add up to their minibatch's, so the optimiser sees no difference; but a 2048-frame IMPALA
minibatch in one piece takes twice the time and over 2 GB of activations.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from fvm_learners.observations import Obs, map_parts
from fvm_learners.ppo.config import PPOConfig
from fvm_learners.ppo.rollout import Rollout

NOTHING: Mapping[str, Tensor] = {}


@dataclass(frozen=True)
class Batch:
    """Samples [B] or, for a recurrent policy, sequences [T, B].

    Attributes:
        obs: [..., *obs_shape] in the type the env gave them (`observations.py`).
        action: [...] or [..., d].
        log_prob: [...] of the action when it was taken.
        value: [...] when the action was taken.
        advantage: [...] normalised over the minibatch if the config says so.
        return_: [...] target of the value.
        valid: [...] bool, count this sample.
        weight: [] share of this batch's valid samples in its minibatch.
        episode_start: [T, B] bool; None without memory.
        initial_state: [B, 2, lstm_size] before the first step; None without memory.
        extra: [..., ...] what hooks put beside the rollout, by name (`hooks.py`).
    """

    obs: Obs
    action: Tensor
    log_prob: Tensor
    value: Tensor
    advantage: Tensor
    return_: Tensor
    valid: Tensor
    weight: Tensor
    episode_start: Tensor | None = None
    initial_state: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)


def masked_mean(x: Tensor, valid: Tensor) -> Tensor:
    """Mean of `x` where `valid`; 0 if that is nowhere."""
    return torch.where(valid, x, 0.0).sum() / valid.sum().clamp(min=1)


def normalised(advantage: Tensor, valid: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 over `valid`; a single sample becomes 0, not nan."""
    centred = advantage - masked_mean(advantage, valid)
    return centred / (masked_mean(centred**2, valid).sqrt() + 1e-8)


def minibatches(
    rollout: Rollout,
    advantage: Tensor,
    config: PPOConfig,
    rng: torch.Generator,
    chunk_size: int | None,
    extra: Mapping[str, Tensor] = NOTHING,
) -> Iterator[Iterator[Batch]]:
    """One epoch in random order; each minibatch is an iterator over its chunks.

    Args:
        rollout: [T, B]; one shorter than `config.num_steps` gives fewer minibatches of about the usual size.
        advantage: [T, B].
        config: Number of minibatches, recurrent or not, normalisation.
        rng: Draws the order.
        chunk_size: Samples in a chunk; None for whole minibatches.
        extra: [T, B, ...] by name, goes with the samples.
    """
    if not rollout.valid.any():
        return
    num_steps, num_envs = advantage.shape
    count = max(1, config.num_minibatches * num_steps // config.num_steps)
    return_ = advantage + rollout.value

    if config.recurrent:
        order = torch.randperm(num_envs, generator=rng).to(advantage.device)
        for slots in order.tensor_split(min(count, num_envs)):
            yield _sequences(rollout, advantage, return_, slots, config, chunk_size, extra)
    else:
        valid = rollout.valid.flatten().nonzero().squeeze(1)
        order = valid[torch.randperm(len(valid), generator=rng).to(advantage.device)]
        for samples in order.tensor_split(min(count, len(order))):
            yield _samples(rollout, advantage, return_, samples, config, chunk_size, extra)


def _samples(
    rollout: Rollout,
    advantage: Tensor,
    return_: Tensor,
    index: Tensor,
    config: PPOConfig,
    chunk_size: int | None,
    extra: Mapping[str, Tensor],
) -> Iterator[Batch]:
    """Chunks of the samples `index` of the flattened rollout, all of them valid."""
    obs = map_parts(lambda part: part.flatten(0, 1), rollout.obs)
    action = rollout.action.flatten(0, 1)
    log_prob, value = rollout.log_prob.flatten()[index], rollout.value.flatten()[index]
    advantage, return_ = advantage.flatten()[index], return_.flatten()[index]
    valid = torch.ones_like(index, dtype=torch.bool)
    if config.normalise_advantage:
        advantage = normalised(advantage, valid)
    for chunk in _chunks(len(index), chunk_size or len(index)):
        yield Batch(
            obs=map_parts(partial(torch.index_select, dim=0, index=index[chunk]), obs),
            action=action.index_select(0, index[chunk]),
            log_prob=log_prob[chunk],
            value=value[chunk],
            advantage=advantage[chunk],
            return_=return_[chunk],
            valid=valid[chunk],
            weight=valid[chunk].sum() / len(index),
            extra={name: part.flatten(0, 1)[index[chunk]] for name, part in extra.items()},
        )


def _sequences(
    rollout: Rollout,
    advantage: Tensor,
    return_: Tensor,
    slots: Tensor,
    config: PPOConfig,
    chunk_size: int | None,
    extra: Mapping[str, Tensor],
) -> Iterator[Batch]:
    """Chunks of the slots' whole sequences; a chunk holds at least one."""
    assert rollout.initial_state is not None
    advantage, valid = advantage[:, slots], rollout.valid[:, slots]
    if config.normalise_advantage:
        advantage = normalised(advantage, valid)
    slots_a_chunk = len(slots) if chunk_size is None else max(1, chunk_size // len(rollout.value))
    for chunk in _chunks(len(slots), slots_a_chunk):
        index = slots[chunk]
        yield Batch(
            obs=map_parts(partial(torch.index_select, dim=1, index=index), rollout.obs),
            action=rollout.action.index_select(1, index),
            log_prob=rollout.log_prob[:, index],
            value=rollout.value[:, index],
            advantage=advantage[:, chunk],
            return_=return_[:, index],
            valid=valid[:, chunk],
            weight=valid[:, chunk].sum() / valid.sum().clamp(min=1),
            episode_start=rollout.episode_start[:, index],
            initial_state=rollout.initial_state[index],
            extra={name: part.index_select(1, index) for name, part in extra.items()},
        )


def _chunks(length: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, length, size))
