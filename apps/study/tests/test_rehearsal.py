"""Learners, paradigms and envs of a user's own with a mistake each, told before anything runs."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fvm_meta import Snapshot, Spent
from study import plugins, rehearsal
from study.config import Evaluation, Phase, StudyConfig
from study.errors import StudyError
from study.folder import study_file
from study.jobs.following import held
from study.jobs.video import agents_that_play
from study.plan import make_plan
from study.registry import registered
from study.rehearsal import rehearse
from study.run import Options, run

PAGES = [folder / "plugins.md" for folder in (Path(__file__).parents[1], Path(__file__).parents[3] / "docs")]
PAGE = next(path for path in PAGES if path.is_file()).read_text()
FILES = dict(re.findall(r"^`(\w+\.py)`\n\n```python\n(.*?)^```$", PAGE, flags=re.S | re.M))
CURES = "fvm_learners.Iteration"
Started = Callable[..., StudyConfig]


@pytest.fixture(autouse=True)
def no_traces() -> Iterator[None]:
    """Forgets the records, modules and plug-ins of a test."""
    before = {kind: dict(records) for kind, records in vars(registered()).items()}
    loaded, modules = dict(plugins._loaded), {*sys.modules}
    yield
    for kind, records in vars(registered()).items():
        records.clear()
        records.update(before[kind])
    for name in {*sys.modules} - modules:
        if name in plugins._loaded:
            del sys.modules[name]
    plugins._loaded.clear()
    plugins._loaded.update(loaded)
    plugins._given.clear()


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Started:
    """Returns what loads the files of docs/plugins.md, one of them with a mistake, and gives a tiny study."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def start(name: str, *changes: tuple[str, str], **fields: Any) -> StudyConfig:
        text = FILES[name]
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        for file in ("poles.py", "reinforce.py", "near.py"):
            (tmp_path / file).write_text(text if file == name else FILES[file])
            plugins.load([file])
        (quick,) = registered().benchmarks["poles"].presets.values()
        learner = registered().learners["my-reinforce"].config(num_steps=16)
        small = StudyConfig(
            benchmark="poles",
            preset="tiny",
            family="poles/cart",
            methods=("scratch", "multitask"),
            train_sizes=(2,),
            pool=(0, 2),
            held_out=(8,),
            pretrain=Phase(env_steps=256, num_envs=4, learner=learner),
            adapt=Phase(env_steps=128, num_envs=4, learner=learner),
            evaluation=Evaluation(
                snapshots=2, episodes=3, training_tasks=1, training_episodes=1, max_steps=200
            ),
            seeds=quick.seeds,
        )
        return replace(small, **fields)

    return start


def tried(config: StudyConfig) -> list[str]:
    return rehearse(make_plan(config).jobs, "cpu", tuple)


def refusal(config: StudyConfig) -> str:
    with pytest.raises(StudyError) as told:
        tried(config)
    return str(told.value)


def test_what_is_right_is_tried_without_a_word_and_not_again_once_it_has_finished(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = started("near.py", methods=("scratch", "multitask", "reptile", "near"))
    assert tried(config) == []
    monkeypatch.setattr(rehearsal, "try_training", None)
    jobs = make_plan(config).jobs
    assert rehearse(jobs, "cpu", lambda: [job.key for job in jobs]) == []


def test_all_that_is_ours_would_pass(small: StudyConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "is_theirs", lambda thing: True)
    methods = ("scratch", "multitask", "multitask:none", "multitask:encoder", "multitask:gradient+bc")
    assert tried(replace(small, methods=(*methods, "reptile"))) == []


def test_a_folder_of_another_study_is_told_before_anything_is_tried(
    small: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(small, held_out=small.held_out[:1])
    study_file.claim(tmp_path / "taken", other.identity, other.spec, {}, {}, "").close()
    monkeypatch.setattr("study.run.rehearse", None)
    with pytest.raises(StudyError, match=r"taken holds another study \(it differs in held_out\)"):
        run(small, Options(output=tmp_path / "taken", workers=0, tracking=False))


def snapshots(*steps: int) -> list[Snapshot]:
    return [Snapshot(env_step=step, spent=Spent(), policy=None) for step in steps]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((0, 30, 100), r"adapt goes on to env step 100 and has left out \[50\]"),
        ((0, 50, 90), r"ends at env step 90 of 100: let it yield snapshots until the budget is spent$"),
        ((), r"ends at env step 0 of 100: .*a method without a pretraining of its own says so by `pretrain"),
        ((0, 50, 50), r"yields env step 50 after 50: let each snapshot come later than the one before"),
        ((0, 50, 40), r"yields env step 40 after 50"),
    ],
)
def test_a_stream_breaks_its_contract_in_its_own_job(
    small: StudyConfig, steps: tuple[int, ...], said: str
) -> None:
    job = next(job for job in make_plan(small).jobs if job.kind == "adapt" and job.parent)
    phase = {**job.spec["phase"], "env_steps": 100}
    job = replace(job, spec={**job.spec, "phase": phase, "at": [0, 50, 100]})
    assert [one.env_step for one in held(snapshots(0, 30, 30, 50, 100), job)] == [0, 30, 30, 50, 100]
    assert [one.env_step for one in held(snapshots(60, 100), job, scored=(0, 50))] == [60, 100]
    with pytest.raises(ValueError, match=said):
        list(held(snapshots(*steps), job))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "def frozen_policy",
            "def frozen",
            "Reinforce has no frozen_policy, with Reinforce (reinforce.py, line",
        ),
        ("return Iteration(", "Iteration(", f"Reinforce.iteration gave None: let it return an {CURES}, with"),
        ("device, hooks=()", "hooks=()", "got an unexpected keyword argument 'device', with Reinforce (rein"),
        ("float(loss.detach())", "'much'", "the metric 'policy_loss' is 'much': give a number, a mean over"),
        (
            "tensor.clone()",
            "tensor.numpy()",
            "the weights of Frozen are a ndarray at '0.weight': let them be",
        ),
        (".shape[1] - 1), state", ".shape[1] - 1) * 1.0, state", "expected ints, (4,) (reinforce.py, line"),
        (
            'self.rng.bit_generator.state = state["rng"]',
            "pass",
            "0.bias is another; let state_dict() and load",
        ),
        (
            '"env_step": self.env_step}\n',
            '"x": {1: 2}}\n',
            "/learner/x has a key 1, which would come back as",
        ),
        ("self.optimiser.step()\n", "self.optimiser.stop()\n", "no attribute 'stop' (reinforce.py, line"),
    ],
)
def test_a_learner(started: Started, before: str, after: str, said: str) -> None:
    told = refusal(started("reinforce.py", (before, after)))
    assert told.startswith("pretrain multitask seed 0, tried before anything runs: ")
    assert said in told


@pytest.mark.parametrize(
    ("capability", "method", "said"),
    [
        ("replay", "reptile", "got an unexpected keyword argument 'num_tasks', with Reinforce (reinforce.py"),
        ("parts", "multitask:encoder", "Reinforce has no freeze, part_names, reset_parts, unfreeze: let it"),
        ("distribution", "multitask:gradient+bc", "Reinforce has no distribution, distribution_from"),
    ],
)
def test_a_capability_that_is_claimed_alone(
    started: Started, capability: str, method: str, said: str
) -> None:
    change = ('frozenset({"inner"})', f'frozenset({{"inner", "{capability}"}})')
    assert said in refusal(started("reinforce.py", change, methods=(method,)))


PLAYED = 'context.score(agent, [context.spec["task"]], 10, context.spec["phase"]["env_steps"])'


@pytest.mark.parametrize("moment", ["end", "snapshots"])
@pytest.mark.parametrize(
    ("after", "said"),
    [
        (PLAYED, ""),
        (PLAYED.replace("agent, ", ""), "missing 1 required positional argument: 'env_step' (worst.py, line"),
        ("7", "the measure worst gave 7 of an agent; let it give a list of dicts, with play (worst.py, line"),
        ("[{'a': context}, {'a': 1.0}]", "tried before anything runs: "),
        ("agent.worth", "has no attribute 'worth' (worst.py, line 9)"),
    ],
)
def test_a_measure(started: Started, tmp_path: Path, moment: str, after: str, said: str) -> None:
    config = started("poles.py", methods=("scratch", "multitask"))
    asked = FILES["worst.py"].replace(PLAYED, after)
    (tmp_path / "worst.py").write_text(asked.replace('name="worst", ', f'name="worst", at="{moment}", ', 1))
    plugins.load(["worst.py"])
    if said:
        assert said in refusal(config)
    else:
        assert tried(config) == []


def test_a_measure_that_takes_long_is_cut(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = started("poles.py", methods=("scratch",))
    asked = FILES["worst.py"].replace(PLAYED, PLAYED.replace("10", "10**6"))
    (tmp_path / "worst.py").write_text(asked)
    plugins.load(["worst.py"])
    monkeypatch.setattr(rehearsal, "LONGEST_S", 3.0)
    started_at = time.monotonic()
    (remark,) = tried(config)
    assert re.search("tried for 3 s, which was not enough for .*worst of adapt scratch seed 0 on 8: ", remark)
    assert time.monotonic() - started_at < 60  # 10**6 episodes take hours


BACK = """class Back(Retention):
    name = "back"

    def make(self):
        return self

    def prepare(self, learner, snapshot, play):
        super().prepare(learner, snapshot, play)
        self.seen = play(8)


class Near(MultiTask):
    def __init__(self, *args, retain=(), **more):
        super().__init__(*args, retain=(*retain, Back()), **more)

"""


def test_a_retention_of_a_paradigms_own_looks_back_at_the_tasks_of_the_pretraining(started: Started) -> None:
    """No name behind a plus asks for it: the class does."""
    retention = "from fvm_meta.retention import Retention\nfrom study.methods"
    changes = (("class Near(MultiTask):\n", BACK), ("from study.methods", retention))
    assert tried(started("near.py", *changes, methods=("near",))) == []


TUNED = "yield from self.fine_tune(snapshot, task, budget, rng, at, demos, resume, hooks=hooks)"
ALL = TUNED.replace("yield from ", "")
PRETRAIN = """    def pretrain(self, tasks, budget, rng, at=(), resume=None):
        {}super().pretrain(tasks, budget, rng, at, resume){}

    def adapt("""
OWN = ('        pretrained_as="multitask",\n', "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([(", demos=(), resume", ", resume"), ("demos, ", "(), ")], "unexpected keyword argument 'demos'"),
        ([(TUNED, ALL)], "Near.adapt (near.py, line 27) gave a NoneType: let it yield snapshots"),
        (
            [(TUNED, f"for one in {ALL}:\n            yield one.policy")],
            "yields a FrozenPolicy: let it yield",
        ),
        (
            [(TUNED, f"for one in {ALL}:\n            yield one\n            yield one")],
            "0 after 0: let each",
        ),
        ([(TUNED, TUNED.replace(" at,", " (0,),"))], "and has left out [32], at which its agent is to be"),
        ([OWN, ("    def adapt(", PRETRAIN.format("", ""))], "Near.pretrain (near.py, line 27) gave a None"),
        (
            [
                OWN,
                (
                    "    def adapt(",
                    PRETRAIN.format("for _, one in zip(range(1), ", "):\n            yield one"),
                ),
            ],
            "Near.pretrain (near.py, line 27) ends at env step 64 of 256: let it yield snapshots until the",
        ),
        (
            [OWN, ("(MultiTask)", "(Paradigm)"), ("import MultiTask", "import Paradigm")],
            "says so by `pretrained_as`",
        ),
    ],
)
def test_a_paradigm(started: Started, changes: list[tuple[str, str]], said: str) -> None:
    config = started("near.py", *changes)
    ppo = replace(registered().benchmarks["poles"].presets["quick"].pretrain.learner, num_steps=16)
    phases = {name: replace(getattr(config, name), learner=ppo) for name in ("pretrain", "adapt")}
    evaluation = replace(config.evaluation, snapshots=4)
    told = refusal(replace(config, methods=("near",), evaluation=evaluation, **phases))
    assert "near seed 0" in told
    assert said in told


VECTOR = "return SyncVectorEnv([lambda: make_env(tasks[0])] * num_envs, autoreset_mode=AutoresetMode.{})"
MADE = "return from_gymnasium(make_env, tasks, num_envs, seed, **options)"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        *((VECTOR.format(mode), "were told to play tasks [1, 0], and info['task_index'] says None: let them")
          for mode in ("SAME_STEP", "NEXT_STEP", "DISABLED")),
        (MADE.replace("**", "autoreset='next_step', **"), "needs SAME_STEP: make it so (from_gymnasium("),
        ("return make_env(tasks[0])", "make (poles.py, line 17) gave <TimeLimit<Ord"),
    ],
)  # fmt: skip
def test_vector_envs(started: Started, made: str, said: str) -> None:
    load = (
        "import gymnasium\n",
        "import gymnasium\nfrom gymnasium.vector import AutoresetMode, SyncVectorEnv\n",
    )
    assert said in refusal(started("poles.py", load, (MADE, made)))


UNSEEDED = """

class Unseeded(gymnasium.Wrapper):
    def reset(self, *, seed=None, options=None):
        return self.env.reset()


def make(tasks"""


def test_envs_that_ignore_their_seed_run_with_a_remark(started: Started) -> None:
    changes = (
        ("\ndef make(tasks", UNSEEDED),
        (MADE, MADE.replace("make_env", "lambda task: Unseeded(make_env(task))")),
    )
    config = started("poles.py", *changes)
    told = refusal(config)
    assert "a seed does not determine an episode" in told
    assert "in a study Phase(restart_every=...) does" in told
    phases = {name: replace(getattr(config, name), restart_every=64) for name in ("pretrain", "adapt")}
    (remark,) = tried(replace(config, **phases))
    assert "do not play the same again after a reset with the same seed" in remark


def test_a_video_of_what_renders_nothing_is_refused_before_anything_runs(started: Started) -> None:
    config = started("poles.py")
    with pytest.raises(
        StudyError, match=r"cannot film 'poles/cart/8': .*let `make` give it render_mode='rgb_"
    ):
        agents_that_play(config, make_plan(config), "poles/cart/8")


ENCODER = """
import torch

class Encoder(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.layer = torch.nn.Linear(shape[0], {})

    def forward(self, obs):
        return self.layer(obs)
"""


def test_an_encoder_of_ones_own_is_tried_and_its_source_is_in_the_key(
    started: Started, tmp_path: Path
) -> None:
    config = started("poles.py")
    ppo = registered().benchmarks["poles"].presets["quick"].pretrain.learner
    keys = set()
    for number, width in enumerate((4, 8)):
        (tmp_path / f"encoder_{number}.py").write_text(ENCODER.format(width))
        own = replace(ppo, network=f"encoder_{number}:Encoder")
        phases = {name: replace(getattr(config, name), learner=own) for name in ("pretrain", "adapt")}
        assert tried(replace(config, **phases)) == []
        keys |= {
            job.spec["versions"]["network"]
            for job in make_plan(replace(config, **phases)).jobs
            if "phase" in job.spec
        }
    assert len(keys) == 2
    own = replace(ppo, network="encoder_0:Encoded")
    with pytest.raises(ValueError, match="encoder 'encoder_0:Encoded' cannot be imported"):
        make_plan(replace(config, pretrain=replace(config.pretrain, learner=own)))
