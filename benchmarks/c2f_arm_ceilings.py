"""What C2F-ARM's grids cost: demonstrations decoded through them and played open loop.

    uv run python benchmarks/c2f_arm_ceilings.py [--demos 25] [--seed 0] [--tasks push_button ...]

Prints a Markdown row a task: the share of demonstrations whose keyframe actions, each replaced by the centre
of its finest voxel and the angles of its rotation bins, still solve the episode; and keyframes an episode by
ARM's rule and merged. Everything else is as demonstrated, so no agent with these grids is expected above it.
"""

import argparse

import numpy as np
from fvm_envs.manipulation import TASKS, Simulator, get_demos
from fvm_learners.c2f_arm import CPU
from fvm_learners.c2f_arm.grid import Grids, path_of
from fvm_learners.c2f_arm.rotation import angles_of, bins_of, euler_of, matrices_of, quaternions_of

GRIDS = {"16 x 2": ((16, 16), (0.15,)), "8 x 3": ((8, 8, 8), (0.15, 0.04))}
STUDY = (
    "push_button",
    "take_lid_off_saucepan",
    "lamp_on",
    "pick_up_cup",
    "pick_and_lift",
    "phone_on_base",
    "stack_wine",
    "open_door",
    "take_usb_out_of_computer",
    "put_rubbish_in_bin",
    "reach_target",
)


def decoded(actions: np.ndarray, grids: Grids) -> np.ndarray:
    """The actions [k, 8] that the grids can express, nearest to these."""
    actions, last = actions.astype(np.float64), grids.depths - 1
    path = path_of(grids, actions[:, :3], np.zeros((last, len(actions), 3)))
    position = grids.position(last, path.centres[last], grids.unflat(last, path.voxels[last]))
    bins = bins_of(euler_of(matrices_of(actions[:, 3:7])), CPU.rotation_bins)
    return np.concatenate(
        [position, quaternions_of(angles_of(bins, CPU.rotation_bins)), actions[:, 7:]], axis=1
    )


def solves(simulator: Simulator, demo, actions: np.ndarray) -> bool:
    simulator.reset(TASKS[demo.task], demo.variation, demo.seed)
    for action in actions:
        outcome = simulator.execute(action[:3], action[3:7], bool(action[7] > 0.5))
        if outcome.success or outcome.failure:
            return outcome.success
    return False


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--demos", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="*", default=STUDY)
    args = parser.parse_args()
    simulator = Simulator()
    print(f"| task | {' | '.join(GRIDS)} | keyframes -> merged |\n|---|{'---|' * (len(GRIDS) + 1)}")
    for task in args.tasks:
        rules = [
            get_demos(task, args.demos, seed=args.seed, simulator=simulator, keyframes=rule)
            for rule in ("arm", "merged")
        ]
        rates = [
            np.mean(
                [
                    solves(simulator, demo, decoded(demo.actions, Grids(CPU.bounds, *grids)))
                    for demo in rules[0]
                ]
            )
            for grids in GRIDS.values()
        ]
        counts = [np.mean([len(demo.keyframes) for demo in demos]) for demos in rules]
        shares = " | ".join(f"{100 * rate:.0f}" for rate in rates)
        print(f"| {task} | {shares} | {counts[0]:.1f} -> {counts[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
