"""Chooses levels that leave headroom, by what a script that knows nothing of them achieves.

    python -m study.headroom procgen/coinrun-easy 200000 20

prints the first 20 levels from 200000 on that the script wins in 5 to 50 % of its episodes. Run before any
agent is trained; the choice goes into a preset.
"""

from __future__ import annotations

from dataclasses import dataclass

import fvm_envs
import tyro
from fvm_envs.scripted import always_right
from fvm_eval import evaluate


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Which levels count as leaving headroom: the share of episodes that the script wins."""

    actions: str = "full"
    episodes: int = 40
    least: float = 0.05
    most: float = 0.50
    seed: int = 0


def levels_with_headroom(family: str, first: int, number: int, rule: Rule) -> dict[int, float]:
    """Returns the first `number` levels from `first` on that meet the rule, with the script's mean return."""
    chosen: dict[int, float] = {}
    batch = 50
    while len(chosen) < number:
        tasks = [fvm_envs.Task.parse(f"{family}/{level}") for level in range(first, first + batch)]
        envs = fvm_envs.make_vec(tasks, 64, 0, on_episode_end="stay", actions=rule.actions)
        played = evaluate(
            always_right(rule.actions),
            envs,
            tasks,
            episodes_per_task=rule.episodes,
            seed=rule.seed + first,
            max_steps=1000,
        )
        envs.close()
        for position in range(batch):
            scores = [episode.score for episode in played if episode.task_position == position]
            won = sum(score > 0 for score in scores) / len(scores)
            if rule.least <= won <= rule.most and len(chosen) < number:
                chosen[first + position] = sum(scores) / len(scores)
        first += batch
    return chosen


def main(
    family: tyro.conf.Positional[str],
    first: tyro.conf.Positional[int],
    number: tyro.conf.Positional[int],
    rule: tyro.conf.OmitArgPrefixes[Rule] = Rule(),
) -> None:
    """Print levels with headroom and the script's mean return on each."""
    chosen = levels_with_headroom(family, first, number, rule)
    for level, mean in chosen.items():
        print(f"{level}  {mean:5.2f}")
    print(tuple(chosen))


if __name__ == "__main__":
    tyro.cli(main)
