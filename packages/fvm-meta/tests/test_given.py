"""What a caller gives a paradigm: one sentence says what came and what to do, and no envs are left open."""

from types import SimpleNamespace

import numpy as np
import pytest
from fvm_meta import RL2, MultiTask, Reptile, adapt
from fvm_meta.paradigm import Transfer
from fvm_meta.replay_reptile import ReplayReptile
from fvm_meta.retention import BC, BCConfig

TASKS, TASK = (0, 3, 6), 5


@pytest.fixture
def multi_task(lab):
    return lab.build(MultiTask)


@pytest.fixture
def last(multi_task, budget):
    *_, last = multi_task.pretrain(TASKS, budget(20), np.random.default_rng(0))
    return last


def refused(lab, stream, kind, message):
    with pytest.raises(kind, match=message):
        next(stream)
    assert all(envs.closed for envs in lab.envs)


@pytest.mark.parametrize("at", [5, None, (step for step in (0, 20))])
def test_steps_that_are_no_sequence(lab, multi_task, budget, at):
    stream = multi_task.pretrain(TASKS, budget(20), np.random.default_rng(0), at=at)
    refused(lab, stream, TypeError, r"at=.*: give a sequence of env steps, such as \(0, 1000\)")


@pytest.mark.parametrize("at", [["a", 3], [[1]]])
def test_steps_of_which_one_is_no_number(lab, multi_task, budget, at):
    stream = multi_task.pretrain(TASKS, budget(20), np.random.default_rng(0), at=at)
    refused(lab, stream, ValueError, "snapshots wanted at .*, outside the budget of 20 env steps or no whole")


def test_steps_may_be_an_array(multi_task, budget):
    stream = multi_task.pretrain(TASKS, budget(20), np.random.default_rng(0), at=np.array([0, 8]))
    assert [snapshot.env_step for snapshot in stream] == [0, 8, 20]


@pytest.mark.parametrize("amount", [40, None, 4.0])
def test_a_budget_without_env_steps(lab, multi_task, amount):
    stream = multi_task.pretrain(TASKS, amount, np.random.default_rng(0))
    refused(lab, stream, TypeError, rf"budget={amount}: give an object with env_steps, such as .*EnvSteps")


@pytest.mark.parametrize("rng", [0, None, np.random.RandomState(0)])
@pytest.mark.parametrize("paradigm", [MultiTask, Reptile])
def test_a_generator_that_is_none(lab, budget, paradigm, rng):
    stream = lab.build(paradigm).pretrain(TASKS, budget(20), rng)
    refused(lab, stream, TypeError, r"rng=.*: give a generator, such as numpy\.random\.default_rng\(0\)")


def test_replay_reptile_and_rl2_ask_for_a_generator_too(lab, budget, last):
    refused(
        lab, lab.build(ReplayReptile).pretrain(TASKS, budget(20), 3), TypeError, "rng=3: give a generator"
    )
    memory = lab.with_config(recurrent=True, lstm_size=4)
    rl2 = memory.build(RL2)
    *_, lived = rl2.pretrain(TASKS, budget(20), np.random.default_rng(0))
    refused(memory, rl2.adapt(lived, TASK, budget(20), 3), TypeError, "rng=3: give a generator")


@pytest.mark.parametrize("tasks", [None, 3, {0, 3}, (goal for goal in TASKS), "036"])
def test_tasks_that_are_no_sequence_of_them(lab, multi_task, budget, tasks):
    stream = multi_task.pretrain(tasks, budget(20), np.random.default_rng(0))
    refused(lab, stream, TypeError, "tasks=.*: give a list of tasks, of one if there is one only")


def test_no_task_at_all(lab, multi_task, budget):
    stream = multi_task.pretrain((), budget(20), np.random.default_rng(0))
    refused(lab, stream, ValueError, r"tasks=\(\) holds no task: give one at least")


@pytest.mark.parametrize("agent", ["a path", {}, SimpleNamespace(policy=None)])
@pytest.mark.parametrize("paradigm", [MultiTask, RL2])
def test_a_pretrained_agent_without_a_policy(lab, budget, paradigm, agent):
    stream = lab.build(paradigm).adapt(agent, TASK, budget(20), np.random.default_rng(0))
    refused(lab, stream, TypeError, f"came as a {type(agent).__name__} without a frozen policy: give a Snap")


@pytest.mark.parametrize("state", [{}, {"learner": {}}, "a path", 3])
def test_a_state_of_no_stream(lab, multi_task, budget, last, state):
    stream = multi_task.adapt(last, TASK, budget(20), np.random.default_rng(0), resume=state)
    lacking = "learner, envs" if state != {"learner": {}} else "envs"
    told = f"resume is a {type(state).__name__} without {lacking}, ledger, last_yielded: give what `state"
    refused(lab, stream, ValueError, told)
    with pytest.raises(ValueError, match="without last_yielded: give what"):
        next(multi_task.zero_shot(last, resume={}))


def test_the_state_of_another_kind_of_stream(lab, budget):
    memory = lab.with_config(recurrent=True, lstm_size=4)
    rl2 = memory.build(RL2)
    *_, (lived, state) = ((s, s.state()) for s in rl2.pretrain(TASKS, budget(20), np.random.default_rng(0)))
    stream = rl2.adapt(lived, TASK, budget(20), np.random.default_rng(0), resume=state)
    refused(memory, stream, ValueError, "resume is a dict without lives: give what")


@pytest.mark.parametrize("retain", [BCConfig(), "bc", None])
def test_retentions_that_are_no_sequence(lab, retain):
    with pytest.raises(TypeError, match=r"retain=.*: give a tuple of settings, such as \(BCConfig\(\),\)"):
        MultiTask(lab.make_learner, lab.make_envs, retain=retain)


@pytest.mark.parametrize("one", [BCConfig, "bc", BC(BCConfig())])
def test_a_retention_that_is_no_settings(lab, one):
    with pytest.raises(TypeError, match=r"retain holds .*, which are no settings of a retention: give some"):
        MultiTask(lab.make_learner, lab.make_envs, retain=[one])


@pytest.mark.parametrize("transfer", ["encoder", None])
def test_a_transfer_that_is_none(lab, transfer):
    with pytest.raises(TypeError, match=r"transfer=.*: give a Transfer, such as Transfer\(parts='encoder'\)"):
        MultiTask(lab.make_learner, lab.make_envs, transfer=transfer)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parts": "encodr"}, "parts='encodr': give 'all' or 'encoder'"),
        ({"parts": None}, "parts=None: give 'all' or 'encoder'"),
        ({"parts": ("encoder",)}, r"parts=\('encoder',\): give 'all' or 'encoder'"),
        ({"frozen": "no"}, "frozen='no': give True or False"),
        ({"reset_sigmas": 1}, "reset_sigmas=1: give True or False"),
    ],
)
def test_what_a_transfer_takes(settings, message):
    with pytest.raises(ValueError, match=message):
        Transfer(**settings)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"agent": 3}, TypeError, r"agent=3: give an Agent; a paradigm makes one, `agent\(snapshot\)`"),
        ({"paradigm": "rl2"}, TypeError, "paradigm='rl2': give a class, such as MultiTask or RL2"),
        ({"paradigm": BCConfig}, TypeError, "paradigm=.*BCConfig.*: give a class"),
        ({"learner_config": 3}, TypeError, "learner_config=3: this agent's learner takes a PPOConfig"),
        ({"seed": None}, ValueError, "seed=None: give a whole number of 0 or more"),
        ({"seed": -1}, ValueError, "seed=-1: give a whole number of 0 or more"),
        ({"seed": 1.5}, ValueError, r"seed=1\.5: give a whole number of 0 or more"),
        ({"at": 20}, TypeError, "at=20: give a sequence of env steps"),
    ],
)
def test_what_the_one_call_takes(lab, multi_task, last, given, kind, message):
    arguments = {"agent": multi_task.agent(last), "make_envs": lab.make_envs, "task": TASK, "env_steps": 20}
    with pytest.raises(kind, match=message):
        adapt(**(arguments | given))
