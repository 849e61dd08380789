"""What a caller adds to a learner: terms of its loss, and what they need.

A learner takes any number of hooks. At each optimiser step it minimises

    its own loss + sum over hooks of the mean of hook.term(policy, batch)

so no term hides another. A term is pure, because a learner may call it several times a step (PPO once a
chunk). What changes from step to step is moved by `after_step`; what needs a whole rollout in order, as a
teacher with a memory of its own does, is worked out in `on_rollout` and lies beside the batch in
`batch.extra`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fvm_learners.config_checks import is_count

Metrics = Mapping[str, Tensor]
TermOutput = tuple[Tensor, Metrics] | None


class Hook:
    """Base of all hooks; every method has a default that does nothing.

    Attributes:
        name: Under which its metrics are logged, and its state kept.
        graphable: Whether `term` works on tensors alone and without `rng`, and keeps what `after_step`
            changes in tensors that it changes in place, so that an update with it may be recorded as a CUDA
            graph.
        ratio_every: At every so many optimiser steps the length of the term's gradient, over that of the
            learner's own loss, is logged as `grad_ratio`; 0 for never. Of a minibatch in chunks (PPO's on a
            CPU) it is the mean of the chunks', and smaller: few samples make the learner's own longer.
        rng: Its own generator on the learner's device, made by `start`.
    """

    name: str = "hook"
    graphable: ClassVar[bool] = False
    ratio_every: ClassVar[int] = 0
    rng: torch.Generator

    def start(self, device: torch.device, seed: int) -> None:
        """Makes its generator. A learner calls this once, when it is made.

        Args:
            device: The learner's.
            seed: Of what the hook draws; it differs by learner and by the hook's position.
        """
        self.rng = torch.Generator(device).manual_seed(seed)

    def on_rollout(self, rollout: Any) -> Mapping[str, Tensor]:
        """Returns tensors [T, N, ...] by name, whose part of a batch is then `batch.extra[name]`.

        Args:
            rollout: What the learner has just collected, [T, N]. A learner with a replay has none, and never
                calls this.
        """
        return {}

    def term(self, policy: Any, batch: Any) -> TermOutput | Tensor:
        """Returns the loss to add, one a sample ([B], or [T, B] of sequences) or a scalar, and its metrics.

        The loss may come alone; None adds nothing. The learner takes the mean over the samples that count.

        Args:
            policy: The learner's network, in training.
            batch: The learner's own kind of batch.
        """
        return None

    def after_step(self) -> None:
        """Moves schedules. Called once after each optimiser step."""

    def state_dict(self) -> dict[str, Any]:
        """Returns all that a resumed run needs, as tensors and JSON values."""
        return {"rng": self.rng.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave."""
        self.rng.set_state(state["rng"])


class Term(Hook):
    """A plain function as a hook.

    Args:
        name: Of the term.
        function: `(policy, batch)` to the loss to add, alone or with its metrics, or None.
    """

    def __init__(self, name: str, function: Callable[[Any, Any], Tensor | TermOutput]) -> None:
        self.name, self._function = name, function

    def term(self, policy: Any, batch: Any) -> TermOutput | Tensor:
        """Returns what the function does."""
        return self._function(policy, batch)


class HookList:
    """The hooks of one learner, in the order given.

    Args:
        hooks: Started here.
        device: The learner's.
        seed: The learner's.

    Raises:
        TypeError: One is no `Hook`.
        ValueError: The seed is no whole number of 0 or more.
    """

    def __init__(self, hooks: Sequence[Hook], device: torch.device, seed: int) -> None:
        if not is_count(seed, at_least=0):
            raise ValueError(f"seed={seed!r}: give a whole number of 0 or more, from which all follows")
        for hook in hooks:
            if not isinstance(hook, Hook):
                raise TypeError(
                    f"hooks={hook!r} is no fvm_learners.hooks.Hook: subclass it, or wrap a plain function "
                    "(policy, batch) -> loss as hooks.Term(name, function)"
                )
        self.steps = 0
        self._hooks = {_label(hooks, position): hook for position, hook in enumerate(hooks)}
        for position, hook in enumerate(hooks):
            (own,) = np.random.SeedSequence(seed, spawn_key=(position,)).generate_state(1, np.uint64) >> 1
            hook.start(device, int(own))

    @property
    def graphable(self) -> bool:
        """Whether an update with all of them may be recorded."""
        return all(hook.graphable and not hook.ratio_every for hook in self._hooks.values())

    def on_rollout(self, rollout: Any) -> dict[str, Tensor]:
        """Returns what all of them need beside a batch, by name.

        Raises:
            ValueError: Two give a tensor of the same name, or one has not a row for each of the rollout's.
        """
        extra: dict[str, Tensor] = {}
        for label, hook in self._hooks.items():
            given = hook.on_rollout(rollout)
            taken = sorted(given.keys() & extra.keys())
            if taken:
                raise ValueError(f"hook {label!r} gives {taken}, which another hook gives already: rename it")
            for name, tensor in given.items():
                if tensor.shape[:2] != (leading := rollout.value.shape):
                    raise ValueError(
                        f"hook {label!r} gives {name!r} of shape {tuple(tensor.shape)}: expected "
                        f"[T, N, ...], here {tuple(leading)}, so that each sample gets its own"
                    )
            extra.update(given)
        return extra

    def added(
        self, loss: Tensor, policy: Any, batch: Any, mean: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns the loss with all terms added, and their metrics as `<hook>/<metric>`.

        Args:
            loss: The learner's own.
            policy: In training.
            batch: Given to each term.
            mean: Of a term over the samples that count.

        Raises:
            TypeError: A term is none.
        """
        metrics: dict[str, Tensor] = {}
        learners = loss
        for label, hook in self._hooks.items():
            output: Any = hook.term(policy, batch)
            if output is None:
                continue
            term, own = output if isinstance(output, tuple) and len(output) == 2 else (output, {})
            if not isinstance(term, Tensor) or not isinstance(own, Mapping):
                raise TypeError(
                    f"the term of hook {label!r} gave {output!r}: let it return a loss, (loss, metrics), or "
                    "None"
                )
            term = mean(term)
            own = {"loss": term, **own}
            if hook.ratio_every and self.steps % hook.ratio_every == 0:
                own["grad_ratio"] = _grad_norm(term, policy) / _grad_norm(learners, policy)
            loss = loss + term
            metrics |= {f"{label}/{name}": torch.as_tensor(metric).detach() for name, metric in own.items()}
        return loss, metrics

    def after_step(self) -> None:
        """Tells all of them that an optimiser step was taken."""
        self.steps += 1
        for hook in self._hooks.values():
            hook.after_step()

    def state_dict(self) -> dict[str, Any]:
        """Returns each hook's state under its name, with its position where several share one."""
        hooks = {label: hook.state_dict() for label, hook in self._hooks.items()}
        return {"steps": self.steps, "hooks": hooks}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state_dict` gave.

        Raises:
            ValueError: It was of other hooks.
        """
        # A file may sort the names, so their order says nothing.
        if sorted(state["hooks"]) != sorted(self._hooks):
            raise ValueError(
                f"this learner has hooks {sorted(self._hooks)}, the state is of {sorted(state['hooks'])}: "
                "make it with the hooks it was saved with"
            )
        for label, hook in self._hooks.items():
            hook.load_state_dict(state["hooks"][label])
        self.steps = state["steps"]


def _grad_norm(loss: Tensor, policy: Any) -> Tensor:
    """Length of a loss's gradient with respect to what is trained; 0 where it reaches none of it."""
    if not loss.requires_grad:
        return loss.new_zeros(())
    trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    parts = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
    norms = [part.norm() for part in parts if part is not None]
    return torch.linalg.vector_norm(torch.stack(norms)) if norms else loss.new_zeros(())


def _label(hooks: Sequence[Hook], position: int) -> str:
    """A hook's name, and which of that name it is where there are several: "kl", "kl 2"."""
    name = hooks[position].name
    nth = 1 + sum(hook.name == name for hook in hooks[:position])
    return name if nth == 1 else f"{name} {nth}"
