"""What a pretrained C2F-ARM agent gets of a new task without demonstrations: five ways, on validation tasks.

    uv run python benchmarks/c2f_arm_zero_demos.py FOLDER [--seeds 0 1] [--env-steps 100] [--tasks ...]

FOLDER is a study of `--benchmark rlbench --preset quick`, whose multi-task agents are taken. Each way has the
same env steps and three updates a step, of 16 transitions:

    plain      as the study fine-tunes: gaussian noise on poses
    kept       besides, the training tasks' demonstrations stay in the batch, in equal shares
    boltzmann  as kept, and voxels are drawn in proportion to exp(Q / temperature) in place of noise
    waiting    as boltzmann, and what is met of the new task is learned from its first success on
    frozen     boltzmann alone: no update before a first success, no demonstrations

Told of each: successful episodes among those it explored in, and among 20 fresh ones that it plays greedily
at the end. Random play's chance is in docs/manipulation.md.
"""

import argparse
import time
from dataclasses import replace

import numpy as np
import torch
from fvm_envs import make_vec
from fvm_envs.manipulation import ObservationConfig, get_demos
from fvm_learners.c2f_arm import C2FARM, C2FARMConfig, Demonstration
from study import load_agent
from study.presets.rlbench import GENTLE, QUICK, VALIDATION_TASKS

EPISODES, NUM_ENVS, UPDATES_PER_ENV_STEP = 20, 2, 3.0
TEMPERATURE = 0.05
TRAINING_TASKS = QUICK.folds[0].train
LEARNER = replace(QUICK.adapt.learner, **GENTLE, updates_per_env_step=UPDATES_PER_ENV_STEP)
BOLTZMANN = {"exploration": "boltzmann", "temperature": TEMPERATURE}
WAYS = {
    "plain": ({}, False),
    "kept": ({}, True),
    "boltzmann": (BOLTZMANN, True),
    "waiting": ({**BOLTZMANN, "first_success": True}, True),
    "frozen": ({**BOLTZMANN, "first_success": True}, False),
}


def shown(task: str, seed: int) -> list[Demonstration]:
    """The demonstrations of a training task."""
    name = task.split("/")[1]
    pictures = ObservationConfig(point_cloud=False)
    return [Demonstration.of(demo) for demo in get_demos(name, 5, seed, keyframes="merged", config=pictures)]


def success(learner: C2FARM, task: str, seed: int) -> float:
    """The share of fresh episodes that the frozen agent solves."""
    envs = make_vec(f"rlbench/{task}", num_envs=4, seed=seed, point_cloud=False)
    policy, wins = learner.frozen_policy(), []
    obs, _ = envs.reset(seed=seed)
    start, rngs = np.ones(4, dtype=bool), [np.random.default_rng(i) for i in range(4)]
    while len(wins) < EPISODES:
        action, _ = policy.act(obs, None, start, rngs)
        obs, reward, terminated, truncated, _ = envs.step(action)
        start = terminated | truncated
        wins += reward[start].tolist()
    envs.close()
    return float(np.mean(wins[:EPISODES]))


def adapt(
    weights: dict, task: str, way: str, env_steps: int, seed: int, demos: dict
) -> tuple[int, int, float]:
    """Successes and episodes while it explored, and the success of the agent it has become."""
    changed, keeps = WAYS[way]
    config: C2FARMConfig = replace(LEARNER, anneal_updates=int(env_steps * UPDATES_PER_ENV_STEP), **changed)
    envs = make_vec(f"rlbench/{task}", num_envs=NUM_ENVS, seed=100 + seed, point_cloud=False)
    tasks = 1 + len(demos) * keeps
    learner = C2FARM(
        envs.single_observation_space, envs.single_action_space, config, seed=seed, num_tasks=tasks
    )
    learner.load_weights(weights)
    for number, given in enumerate(demos.values() if keeps else (), 1):
        learner.add_demonstrations(given, task=number)
    wins, episodes = 0, 0
    while learner.env_step < env_steps:
        ended = learner.iteration(envs, min(20, env_steps - learner.env_step)).episodes
        wins, episodes = wins + sum(episode.return_ > 0 for episode in ended), episodes + len(ended)
    envs.close()
    return wins, episodes, success(learner, task, 9_000 + seed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--env-steps", type=int, default=100)
    parser.add_argument("--tasks", nargs="*", default=VALIDATION_TASKS)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| task | pretraining | way | exploring | greedy at the end | CPU s |\n|---|---|---|---|---|---|")
    for seed in args.seeds:
        weights = dict(load_agent(args.folder, "multitask", seed).policy.weights)
        demos = {task: shown(task, 500 + seed) for task in TRAINING_TASKS}
        for task in args.tasks:
            for way in args.ways:
                began = time.process_time()
                wins, episodes, greedy = adapt(weights, task, way, args.env_steps, seed, demos)
                took = time.process_time() - began
                print(
                    f"| {task} | {seed} | {way} | {wins} of {episodes} | {greedy:.2f} | {took:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
