"""All that a C2F-ARM learner is at one moment, as tensors and JSON values, and a learner put back into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fvm_learners.c2f_arm.networks import freeze_parts, load_weights
from fvm_learners.c2f_arm.outlook import check_outlook, outlook_of
from fvm_learners.c2f_arm.slots import ArmSlots
from fvm_learners.weights import load_optimiser_state, network_weights, optimiser_state

if TYPE_CHECKING:
    from fvm_learners.c2f_arm.learner import C2FARM

COUNTS = ("env_step", "updates", "updates_due", "target_due")


def state_of(learner: C2FARM) -> dict[str, Any]:
    """Returns everything but the envs, as copies."""
    slots = learner._slots
    return {
        "outlook": outlook_of(learner.config),
        "weights": learner.weights(),
        "target": network_weights(learner.target),
        "optimiser": optimiser_state(learner.optimiser, learner.policy),
        "replays": {str(task): replay.state_dict() for task, replay in enumerate(learner.replays)},
        "hooks": learner.hooks.state_dict(),
        "frozen": sorted(learner._frozen),
        "slots": None if slots is None else slots.state_dict(),
        "values": learner._values.state_dict(),
        "rng": learner._rng.bit_generator.state,
        **{name: getattr(learner, name) for name in COUNTS},
    }


def restore(learner: C2FARM, state: dict[str, Any]) -> None:
    """Lets a learner go on as the one that gave `state`.

    Raises:
        ValueError: `state` is of another kind of learner, or of other grids, cameras, networks or replays.
    """
    if "outlook" not in state:
        raise ValueError(
            f"the state holds {', '.join(list(state)[:6]) or 'nothing'} and no outlook: it is of another "
            "kind of learner, or older than this version; begin anew"
        )
    check_outlook(state["outlook"], outlook_of(learner.config), "this checkpoint is")
    if len(state["replays"]) != len(learner.replays):
        raise ValueError(
            f"this checkpoint is of {len(state['replays'])} tasks, this learner has {len(learner.replays)}: "
            "use the tasks it was made with"
        )
    learner.load_weights(state["weights"])
    load_weights(learner.target, state["target"])
    learner._frozen = set(state["frozen"])
    freeze_parts(learner.policy, learner._frozen)
    load_optimiser_state(learner.optimiser, learner.policy, state["optimiser"])
    for task, replay in enumerate(learner.replays):
        replay.load_state_dict(state["replays"][str(task)])
    learner.hooks.load_state_dict(state["hooks"])
    slots = state["slots"]
    learner._slots = None if slots is None else ArmSlots.from_state_dict(slots, learner.device)
    learner._values.load_state_dict(state["values"])
    learner._rng.bit_generator.state = state["rng"]
    for name in COUNTS:
        setattr(learner, name, state[name])
