"""The Fisher information of a policy at its weights: which of them its behaviour depends on.

    F = E_s E_{a ~ pi(s)} [ g g^T ],  g = d log pi(a | s) / d theta                     one gradient a sample

A distribution with parameters u (log-probabilities; mean and log of the deviation) has a diagonal Fisher in
u, its `fisher_weights` w, so that the expectation over actions is a sum: F = E_s sum_m w_m
(du_m/dtheta)(...)^T.

The authors of Wolczyk et al. 2024 square the gradient of a batch's mean at the likeliest actions instead,
which divides F by something between the sequences and the steps of a batch; hence their coefficients of 10^6
and more.

Where u is long, as of a choice among thousands of voxels, the sum over it is a mean over actions drawn from
pi, one a state: the same in expectation. A Gaussian's u, two numbers a dimension, is always summed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fvm_meta.retention.states import States, pieces

FULL_LIMIT = 4096  # parameters of which a full Fisher is kept: 64 MiB
MOST_OUTPUTS = 64  # of a distribution, for a gradient of each


def sample_gradients(
    learner: Any, network: Any, states: States, size: int, rng: torch.Generator | None = None
) -> Iterator[Tensor]:
    """Yields sqrt(w_m) du_m/dtheta [parameters], for each state and each of its distribution's parameters.

    With more than `MOST_OUTPUTS` of these, d log pi(a) / dtheta of one drawn action a state, where the
    distribution is over finitely many.

    Args:
        learner: Of whose kind the network is.
        network: Whose parameters.
        states: That it is asked about.
        size: States of one forward pass; sequences, of a policy with memory.
        rng: Draws actions.
    """
    parameters = list(network.parameters())
    for part in pieces(len(states), size):
        dist, _ = learner.distribution(network, states[part])
        if dist.params.shape[-1] > MOST_OUTPUTS and hasattr(dist, "draw"):
            outputs = dist.log_prob(dist.draw(rng)).flatten()
            yield from _gradients(outputs, parameters)
            continue
        outputs = dist.params.flatten()
        scale = dist.fisher_weights().detach().flatten().sqrt()
        for weight, gradient in zip(scale, _gradients(outputs, parameters), strict=True):
            yield weight * gradient


def _gradients(outputs: Tensor, parameters: list[Any]) -> Iterator[Tensor]:
    """Yields the gradient [parameters] of each output."""
    for output in outputs:
        gradients = torch.autograd.grad(
            output, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        yield torch.cat([gradient.flatten() for gradient in gradients])


def expected(
    learner: Any,
    network: Any,
    states: States,
    *,
    full: bool,
    size: int = 16,
    rng: torch.Generator | None = None,
) -> Tensor:
    """Returns the expected Fisher of each sample, the diagonal [n] or all of it [n, n], with mean diagonal 1.

    Of weights that are not finite it is NaN: what follows a pretraining that diverged is a run that did.
    `rng` draws actions, where there are too many for a sum over all.

    Raises:
        ValueError: All of it was asked for, of a network with more than `FULL_LIMIT` parameters; or it is 0.
    """
    count = sum(parameter.numel() for parameter in network.parameters())
    if full and count > FULL_LIMIT:
        raise ValueError(
            f"the full Fisher of {count:,} parameters has {count**2:,} entries: it is for networks of up to "
            f"{FULL_LIMIT:,}; take the diagonal"
        )
    like = next(network.parameters())
    fisher: Tensor = like.new_zeros((count, count) if full else (count,), requires_grad=False)
    if not all(bool(parameter.isfinite().all()) for parameter in network.parameters()):
        return fisher.fill_(torch.nan)
    for gradient in sample_gradients(learner, network, states, size, rng):
        fisher += torch.outer(gradient, gradient) if full else gradient**2
    mean = (fisher.diagonal() if full else fisher).mean()
    if not 0 < mean < torch.inf:
        raise ValueError(f"the Fisher's mean is {float(mean)}: the policy depends on none of its weights")
    return fisher / mean


def as_published(learner: Any, network: Any, states: States, *, batch_size: int) -> Tensor:
    """Returns the diagonal [n] as the authors' code has it: squared gradients of batches' means, at the
    modes.

    Raises:
        ValueError: The policy's actions have no mode among finitely many, or it is many agents' side by side.
    """
    parameters = list(network.parameters())
    parts = pieces(len(states), batch_size)
    fisher: Tensor = parameters[0].new_zeros(sum(p.numel() for p in parameters), requires_grad=False)
    for part in parts:
        dist, _ = learner.distribution(network, states[part])
        if not hasattr(dist, "mode"):
            raise ValueError(
                "EWC as published takes the likeliest action: use the expected Fisher with a Box"
            )
        log_prob = dist.log_prob(dist.mode())
        if states.initial_state is None and log_prob.ndim > 1:
            raise ValueError(
                f"EWC as published squares the gradient of a batch's mean, here over {log_prob.shape[-1]} "
                "agents side by side, so that each would have a part of its own: use the expected Fisher, "
                "mode='diagonal', or one agent"
            )
        loss = -log_prob.mean()
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        fisher += torch.cat([gradient.flatten() for gradient in gradients]) ** 2 / len(parts)
    return fisher
