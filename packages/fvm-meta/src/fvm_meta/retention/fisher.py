"""The Fisher information of a policy at its weights: which of them its behaviour depends on.

    F = E_s E_{a ~ pi(s)} [ g g^T ],  g = d log pi(a | s) / d theta                     one gradient a sample

A distribution with parameters u (log-probabilities; mean and log of the deviation) has a diagonal Fisher in
u, its `fisher_weights` w, so that the expectation over actions is a sum: F = E_s sum_m w_m
(du_m/dtheta)(...)^T.

The authors of Wolczyk et al. 2024 square the gradient of a batch's mean at the likeliest actions instead,
which divides F by something between the sequences and the steps of a batch; hence their coefficients of 10^6
and more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fvm_meta.retention.states import States, pieces

FULL_LIMIT = 4096  # parameters of which a full Fisher is kept: 64 MiB


def sample_gradients(learner: Any, network: Any, states: States, size: int) -> Iterator[Tensor]:
    """Yields sqrt(w_m) du_m/dtheta [parameters], for each state and each of its distribution's parameters.

    Args:
        learner: Of whose kind the network is.
        network: Whose parameters.
        states: That it is asked about.
        size: States of one forward pass; sequences, of a policy with memory.
    """
    parameters = list(network.parameters())
    for part in pieces(len(states), size):
        dist, _ = learner.distribution(network, states[part])
        outputs = dist.params.flatten()
        scale = dist.fisher_weights().detach().flatten().sqrt()
        for index in range(len(outputs)):
            gradients = torch.autograd.grad(
                outputs[index], parameters, retain_graph=True, allow_unused=True, materialize_grads=True
            )
            yield scale[index] * torch.cat([gradient.flatten() for gradient in gradients])


def expected(learner: Any, network: Any, states: States, *, full: bool, size: int = 16) -> Tensor:
    """Returns the expected Fisher of each sample, the diagonal [n] or all of it [n, n], with mean diagonal 1.

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
    for gradient in sample_gradients(learner, network, states, size):
        fisher += torch.outer(gradient, gradient) if full else gradient**2
    mean = (fisher.diagonal() if full else fisher).mean()
    if not 0 < mean < torch.inf:
        raise ValueError(f"the Fisher's mean is {float(mean)}: the policy depends on none of its weights")
    return fisher / mean


def as_published(learner: Any, network: Any, states: States, *, batch_size: int) -> Tensor:
    """Returns the diagonal [n] as the authors' code has it: squared gradients of batches' means, at the
    modes.

    Raises:
        ValueError: The policy's actions have no mode among finitely many.
    """
    parameters = list(network.parameters())
    parts = pieces(len(states), batch_size)
    fisher: Tensor = parameters[0].new_zeros(sum(p.numel() for p in parameters), requires_grad=False)
    for part in parts:
        dist, _ = learner.distribution(network, states[part])
        if not hasattr(dist, "log_probs"):
            raise ValueError(
                "EWC as published takes the likeliest action: use the expected Fisher with a Box"
            )
        loss = -dist.log_prob(dist.log_probs.argmax(dim=-1)).mean()
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        fisher += torch.cat([gradient.flatten() for gradient in gradients]) ** 2 / len(parts)
    return fisher
