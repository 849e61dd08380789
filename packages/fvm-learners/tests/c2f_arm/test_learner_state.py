"""All that a C2F-ARM learner is at one moment, and a used learner put back into it."""

from dataclasses import replace

import pytest
import torch
from fvm_learners.c2f_arm import C2FARM
from fvm_learners.c2f_arm.learner_state import COUNTS, restore, state_of


def make(envs, config, **options):
    return C2FARM(
        envs.single_observation_space, envs.single_action_space, config, seed=0, episode_length=3, **options
    )


def test_a_checkpoint_of_other_tasks_or_of_another_learner(ball, tiny):
    with pytest.raises(ValueError, match="of 2 tasks, this learner has 1"):
        make(ball(), tiny).load_state_dict(make(ball(), tiny, num_tasks=2).state_dict())
    with pytest.raises(ValueError, match="holds weights, optimiser and no outlook"):
        make(ball(), tiny).load_state_dict({"weights": {}, "optimiser": {}})


def test_a_used_learner_becomes_the_one_that_was_saved(ball, demos, tiny, filed):
    config = replace(tiny, target_period_updates=2)
    agent, other = make(ball(), config), make(ball(), config)
    for one, times in ((agent, 2), (other, 3)):
        one.add_demonstrations(demos(1))
        for _ in range(times):
            one.update(copy_target=False)
    agent.freeze("head")
    assert agent.target_due
    state = filed(state_of(agent))
    restore(other, state)
    assert [getattr(other, name) for name in COUNTS] == [0, 2, 0.0, True]
    assert state["frozen"] == ["head"]
    assert not any(parameter.requires_grad for parameter in other.policy.depths[0].head.parameters())
    for name, tensor in agent.target.state_dict().items():
        assert torch.equal(other.target.state_dict()[name], tensor)
    assert agent.update() == other.update()


def test_a_state_is_a_copy(ball, demos, tiny):
    agent = make(ball(), tiny)
    agent.add_demonstrations(demos(1))
    state = state_of(agent)
    before = {name: tensor.clone() for name, tensor in state["weights"].items()}
    agent.update()
    assert all(torch.equal(tensor, state["weights"][name]) for name, tensor in before.items())
    assert state["updates"] == 0
