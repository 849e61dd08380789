from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fvm_learners import PPOConfig
from fvm_learners.rainbow.config import RainbowConfig
from fvm_meta.pearl import PEARLConfig
from study.command_line.arguments import Arguments
from study.command_line.cli import run
from study.config import Evaluation, Phase, StudyConfig
from study.errors import StudyError
from study.methods import Method
from study.plan import make_plan
from study.presets import atari, procgen, toy
from study.registry import registered
from study.resolve import resolve, resolve_all

PRESETS = {
    name: benchmark.presets
    for name, benchmark in registered().benchmarks.items()
    if any(preset.methods for preset in benchmark.presets.values())
}
ALL = [
    (name, preset)
    for name, presets in PRESETS.items()
    for preset in presets
    if presets[preset].methods and name != "apple"  # a world of two weights, not one of the paper's studies
    if not presets[preset].split  # test_grid.py has those
]


@pytest.mark.parametrize(("benchmark", "name"), ALL)
def test_a_preset_resolves_and_fits_together(benchmark: str, name: str) -> None:
    config = resolve(Arguments(benchmark=benchmark, preset=name), "quick")
    assert config == PRESETS[benchmark][name]
    assert (config.benchmark, config.preset) == (benchmark, name)
    pool = set(config.train_pool)
    held_out, validation = set(config.held_out), set(config.validation)
    assert held_out
    assert validation
    if not config.folds:  # each of which has checked itself
        assert pool.isdisjoint(held_out | validation)
    assert held_out.isdisjoint(validation)
    assert len(held_out) == len(config.held_out)
    meta = "rl2" if isinstance(config.adapt.learner, PPOConfig) else "pearl"
    paradigms = {Method.parse(method).kind.is_a for method in config.methods}
    reptile = {"reptile"} if (benchmark, name) != ("toy", "pearl") else set()
    if config.far is None:
        assert {"scratch", "multitask", meta} | reptile <= paradigms
    else:  # a study of retention: the plain fine-tuning and the frozen agent stand beside it
        assert {"scratch", "multitask:none", "multitask", "multitask:gradient+bc"} <= set(config.methods)
    assert config.note
    for phase in (config.pretrain, config.adapt):
        assert phase.env_steps % phase.num_envs == 0
        rollout = phase.num_envs * phase.learner.num_steps
        assert phase.env_steps >= rollout
        if isinstance(phase.learner, PPOConfig):
            assert rollout % phase.learner.num_minibatches == 0
        elif isinstance(phase.learner, RainbowConfig):  # it learns, and its replay is full at most once
            assert phase.learner.learn_start < phase.env_steps <= phase.learner.replay_capacity
    plan = make_plan(config)
    methods = [Method.parse(method) for method in config.methods]
    pretrained = {method.pretraining for method in methods} - {"scratch"}
    folds = [len(held_out) if size == 1 and config.pairs else 1 for size in config.train_sizes]
    times = len(config.demos) or 1
    per_size = (len(methods) - 1) * len(held_out) * times
    per_seed = sum(per_size + number * len(pretrained) for number in folds) + len(held_out) * times
    if config.folds:  # a held-out task each
        per_seed = len(config.folds) * (len(pretrained) + len(methods) * times)
    kinds = [job.kind for job in plan.jobs]
    assert kinds.count("pretrain") + kinds.count("adapt") == config.seeds * per_seed
    assert kinds.count("baseline") == len(held_out) * (1 + (config.script is not None))
    new = {config.new_levels_from + i for i in range(config.evaluation.new_levels)}
    assert new.isdisjoint(pool | validation | held_out)
    for name in pretrained:
        phase = config.phase("pretrain", name)
        if isinstance(phase.learner, PPOConfig):
            assert phase.learner.num_minibatches <= phase.num_envs or not phase.learner.recurrent


def test_the_papers_numbers() -> None:
    paper = procgen.PAPER
    assert paper.train_sizes == (100, 1_000, 10_000)
    assert len(paper.held_out) == 20
    assert paper.seeds == 5
    assert paper.pretrain.env_steps == 1_500 * 256 * 256  # "100M"
    assert (paper.pretrain.num_envs, paper.pretrain.learner.num_steps) == (256, 256)
    assert paper.adapt.env_steps == 2_000_000
    assert (paper.pretrain.learner.num_minibatches, paper.pretrain.learner.num_epochs) == (8, 3)
    assert paper.pretrain.learner.network == paper.adapt.learner.network == "impala"
    assert paper.env_options["actions"] == "full"
    assert paper.family.startswith("procgen/coinrun-")


def test_the_authors_preset_has_each_of_their_oddities_and_no_other_preset_has_one() -> None:
    def oddities(config: StudyConfig) -> dict[str, object]:
        reptile = "reptile-rising" if "reptile-rising" in config.methods else "reptile"
        plain, scratch = config.phase("pretrain", "multitask"), config.phase("adapt", "scratch")
        meta, latent = config.phase("pretrain", reptile), config.phase("pretrain", "pearl").learner
        pearl = PEARLConfig(**config.settings["pearl"].config)
        return {
            "shifted transitions": plain.learner.shifted_transitions,
            "output ReLU": plain.learner.output_relu,
            "padding": config.env_options["action_space"],
            "narrow scratch": scratch.learner.hidden_size < plain.learner.hidden_size,
            "Reptile's updates": meta.learner.updates_per_env_step / plain.learner.updates_per_env_step,
            "Reptile's Adam": config.settings[reptile].config.get("inner_optimiser", "fresh"),
            "z": "each step" if latent.latent_every_step else "each episode",
            "with replacement": pearl.context_with_replacement,
            "KL": pearl.kl_weight,
        }

    theirs = {
        "shifted transitions": True,
        "output ReLU": True,
        "padding": "index",
        "narrow scratch": True,
        "Reptile's updates": 5.0,
        "Reptile's Adam": "kept",
        "z": "each step",
        "with replacement": True,
        "KL": 1.0,
    }
    assert oddities(atari.AUTHORS) == theirs
    for config in (atari.QUICK, atari.SMALL, atari.PAPER):
        ours = oddities(config)
        assert all(ours[name] != value for name, value in theirs.items())


def test_the_quick_presets_say_that_they_are_not_the_papers() -> None:
    assert procgen.QUICK.note.startswith("Not the paper's setting")
    assert procgen.SMALL.note.startswith("Not the paper's setting")


def test_without_a_preset_the_device_decides() -> None:
    assert resolve(Arguments(benchmark="procgen"), default_preset="quick").preset == "quick"
    assert resolve(Arguments(benchmark="procgen"), default_preset="small").preset == "small"
    assert resolve_all(Arguments(benchmark="toy"), default_preset="small")[0].preset == "schedules"  # on any


def test_arguments_change_the_preset() -> None:
    config = resolve(
        Arguments(
            benchmark="procgen",
            preset="quick",
            methods=("multitask", "multitask"),
            seeds=7,
            train_sizes=(10, 20, 10),
            held_out=("300000",),
            pretrain_env_steps=6_400,
            adapt_env_steps=3_200,
        ),
        "quick",
    )
    assert (config.methods, config.seeds) == (("multitask",), 7)
    assert (config.train_sizes, config.held_out) == ((10, 20), (300_000,))
    assert (config.pretrain.env_steps, config.adapt.env_steps) == (6_400, 3_200)
    assert config.pretrain.learner == procgen.QUICK.pretrain.learner


def test_another_game_keeps_no_knowledge_of_coinrun() -> None:
    config = resolve(Arguments(benchmark="procgen", preset="quick", game="chaser"), "quick")
    assert config.family == "procgen/chaser-easy"
    assert (config.script, config.score_bounds, config.env_options) == (None, None, {"actions": "full"})
    assert "not chosen for headroom" in config.note


def test_another_mode_keeps_the_game() -> None:
    config = resolve(Arguments(benchmark="procgen", preset="quick", mode="hard"), "quick")
    assert config.family == "procgen/coinrun-hard"


def test_hidden_catch_has_levels_of_its_own_unless_asked_otherwise() -> None:
    config = resolve(Arguments(benchmark="toy", game="hidden-catch"), "quick")
    assert max(*config.held_out, *config.validation, config.pool[1] - 1) < 24
    config = resolve(Arguments(benchmark="toy", game="hidden-catch", held_out=("21",)), "quick")
    assert config.held_out == (21,)
    named = resolve(
        Arguments(benchmark="toy", game="hidden-catch", held_out=("toy/hidden-catch/21", "21")), "quick"
    )
    assert named == config  # by its id as everywhere else


BAD = {
    # arguments: words of the one sentence
    "--benchmark progen": ("unknown benchmark 'progen'", "'procgen'"),
    "--benchmark minecraft": ("unknown benchmark 'minecraft'", "procgen, rlbench, toy"),
    "--benchmark toy --preset quik": ("'quik'", "did you mean 'quick'"),
    "--benchmark toy --preset large": ("'large'", "choose one of map, map-pearl, pearl, quick, schedules"),
    "--benchmark procgen --game coinrum": ("'coinrum'", "'coinrun'"),
    "--benchmark procgen --mode eazy": ("'eazy'", "'easy'"),
    "--benchmark procgen --mode memory": ("coinrun has no mode 'memory'", "easy, hard, exploration"),
    "--benchmark procgen --game maze --mode extreme": ("maze has no mode 'extreme'", "easy, hard, memory"),
    "--benchmark procgen --mode exploration": ("one level only", "choose another --mode"),
    "--benchmark procgen --game maze --mode memory": ("no score range is published", "easy or the hard mode"),
    "--benchmark procgen --game starpilot --mode extreme": ("no score range", "easy or the hard"),
    "--benchmark toy --mode easy": ("toy has no option 'mode'", "it has game"),
    "--benchmark toy --game cath": ("'cath'", "'catch'"),
    "--benchmark toy --methods multitaks": ("unknown method 'multitaks'", "'multitask'"),
    "--benchmark toy --methods": ("--methods came with nothing behind it", "name at least one"),
    "--benchmark toy --retain --seeds 3": ("--retain came with nothing behind it", "leave it out"),
    "--benchmark toy --looks": ("--looks came with nothing",),
    "--benchmark toy --cpus= --seeds 3": ("--cpus came with nothing",),
    "--benchmark toy --plain --cache --fresh": ("--cache came with nothing",),
    "--benchmark toy --preset quick --methods pearl": ("pearl needs rainbow", "latent", "has ppo"),
    "--benchmark atari --methods scratch rl2": ("rl2 needs ppo", "has rainbow"),
    "--benchmark atari --held-out pong asault": ("'asault'", "assault"),
    "--benchmark atari --train-sizes 11": ("of 11 games", "1 to 10"),
    "--benchmark atari --game pong": ("atari has no option 'game'", "leave it out"),
    "--benchmark procgen --held-out pong": ("'pong' is no level",),
    "--benchmark rlbench --preset players --methods multitask": (
        "nothing learns",
        "--methods",
        "leave it out",
    ),
    "--benchmark rlbench --preset players --seeds 3": ("nothing learns", "--seeds"),
    "--benchmark rlbench --preset players --video rlbench/lamp_on": ("nothing learns", "--video"),
    "--benchmark toy --set game": ("--set 'game' is no option", "NAME=VALUE"),
    "--benchmark toy --set gme=catch": ("toy has no option 'gme'", "it has game"),
    "--benchmark procgen --set game=coinrum": ("'coinrum'", "'coinrun'"),
    "--benchmark rlbench --preset authors": ("'authors'", "players"),
    "--benchmark rlbench --simulator mujuco": ("'mujuco'", "'mujoco'"),
    "--benchmark rlbench --held-out": ("--held-out came with nothing", "at least one"),
    "--benchmark rlbench --held-out lamp_on": ("'lamp_on'", "pick_and_lift"),
    "--benchmark rlbench --set cameras=front,wirst": ("'wirst'", "'wrist'"),
    "--benchmark rlbench --preset players --set cameras=front": ("nothing looks", "another preset"),
    "--benchmark rlbench --demos 1 -2": ("demonstrations is -2", "at least 0"),
    "--benchmark rlbench --preset players --demos 1": ("nothing learns", "--demos"),
    "--benchmark toy --demos 1": ("nobody demonstrates the tasks of toy", "leave the demonstrations out"),
    "--benchmark rlbench --preset players --held-out lamp_of": ("'lamp_of'", "lamp_on"),
    "--benchmark rlbench --preset players --held-out lamp_on/1": (
        "no task rlbench/lamp_on/1",
        "1 variations",
    ),
    "--benchmark atari --simulator mujoco": ("atari has no option 'simulator'", "leave it out"),
    "--benchmark toy --seeds 10000000000000000000000": ("at most 1,000,000",),
    "--benchmark toy --seeds 0": ("seeds is 0", "at least 1"),
    "--benchmark toy --seeds -3": ("seeds is -3", "at least 1"),
    "--benchmark toy --pretrain-env-steps 0": ("0 env steps", "at least 32"),
    "--benchmark toy --pretrain-env-steps -5": ("-5 env steps", "at least 32"),
    "--benchmark toy --adapt-env-steps 500": ("500 env steps", "use 496 or 512"),
    "--benchmark toy --train-sizes": ("--train-sizes came with nothing", "at least one"),
    "--benchmark toy --game catch --train-sizes 0": ("of 0 levels", "1 to 78"),
    "--benchmark toy --game catch --train-sizes 79": ("of 79 levels", "pool 0:78", "1 to 78"),
    "--benchmark toy --held-out": ("--held-out came with nothing", "at least one"),
    "--benchmark toy --game catch --held-out 5 84": (
        "[5] overlap the training pool 0:78",
        "other held-out levels",
    ),
    "--benchmark toy --game catch --held-out 78": ("[78]", "both held out and for validation"),
    "--benchmark toy --game catch --held-out 96": ("toy/catch/96 does not exist", "0 to 95"),
    "--benchmark toy --held-out -1": ("-1",),
    "--benchmark procgen --held-out 99999999999": ("99999999999", "too large", "2147483646"),
    "--benchmark toy --device cdua": ("unknown device 'cdua'", "auto, cpu or cuda"),
    "--benchmark toy --device cuda:99": ("'cuda:99' is not here", "--device cpu"),
    "--benchmark toy --workers -1": ("--workers -1", "0"),
    "--benchmark toy --tracking-uri foo": ("'foo'", "http://HOST:PORT or sqlite:///FILE"),
    "--benchmark toy --tracking-uri file:///tmp": ("'file:///tmp'", "sqlite:///FILE"),
    "--benchmark toy --checkpoint-every-s -1": ("-1.0", "0 or more"),
    "--benchmark toy --checkpoint-every-s nan": ("nan", "0 or more"),
    "--benchmark toy --game catch --video toy/cath/84": ("unknown task 'toy/cath/84'", "'toy/catch/84'"),
    "--benchmark toy --video toy/catch/999": ("toy/catch/999",),
    "--benchmark toy --video atari/pong": ("atari/pong",),
}


@pytest.mark.parametrize("line", BAD)
def test_bad_input_is_one_sentence_and_writes_nothing(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "study"
    monkeypatch.setattr("study.run.run_jobs", lambda *_: pytest.fail("it ran"))
    assert run([*line.split(), "--output", str(output)]) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("study: ")
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err
    for words in BAD[line]:
        assert words in shown.err
    assert not output.exists()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("line", ["", "--benchmark toy --sedes 3"])
def test_what_the_parser_refuses_ends_with_status_2(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        run(line.split())
    assert stop.value.code == 2
    assert "Traceback" not in capfd.readouterr().err
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Phase(env_steps=64, num_envs=0, learner=toy.QUICK.adapt.learner), "num_envs is 0"),
        (
            lambda: Evaluation(snapshots=0, episodes=1, training_tasks=1, training_episodes=1, max_steps=1),
            "evaluation snapshots is 0",
        ),
        (
            lambda: Evaluation(snapshots=1, episodes=-2, training_tasks=1, training_episodes=1, max_steps=1),
            "evaluation episodes is -2",
        ),
    ],
)
def test_a_config_made_by_hand_is_checked_too(build: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()


def test_a_study_is_the_same_whatever_its_grid() -> None:
    def identity(**changes: object) -> dict[str, object]:
        config: StudyConfig = resolve(
            Arguments(benchmark="toy", game="catch", **changes),  # type: ignore[arg-type]
            "quick",
        )
        return config.identity

    assert identity() == identity(seeds=9) == identity(methods=("scratch",)) == identity(train_sizes=(3, 4))
    assert identity() != identity(adapt_env_steps=512)
    assert identity() != identity(held_out=("84",))
    assert identity() != {**identity(), "settings": {}}  # tuned or not


def test_the_toy_benchmark_is_two_studies_that_differ_in_the_legend_alone() -> None:
    configs = resolve_all(Arguments(benchmark="toy"), "quick")
    assert [config.preset for config in configs] == ["schedules", "schedules", "pearl", "pearl"]
    for visible, hidden in (configs[:2], configs[2:]):
        assert replace(visible, family="", settings={}) == replace(hidden, family="", settings={})
    visible, hidden = configs[:2]
    assert (visible.family, hidden.family) == ("toy/visible-catch", "toy/hidden-catch")
    assert [config.family for config in configs[2:]] == ["toy/visible-long-catch", "toy/hidden-long-catch"]
    assert visible.seeds >= 12
    assert replace(visible, family="", settings={}) == replace(hidden, family="", settings={})
    for asked, preset in (
        ({"game": "hidden-catch"}, "schedules"),
        ({"game": "hidden-long-catch"}, "pearl"),
        ({"game": "catch"}, "schedules"),
        ({"methods": ("scratch", "rl2"), "game": "visible-catch"}, "schedules"),
        ({"methods": ("scratch", "pearl"), "game": "visible-long-catch"}, "pearl"),
    ):
        (config,) = resolve_all(Arguments(benchmark="toy", **asked), "quick")
        assert config.preset == preset
    only = resolve_all(Arguments(benchmark="toy", methods=("multitask", "rl2")), "quick")
    assert [config.preset for config in only] == ["schedules", "schedules"]
    assert len(resolve_all(Arguments(benchmark="toy", preset="pearl"), "quick")) == 2
    assert len(resolve_all(Arguments(benchmark="toy", preset="pearl", game="catch"), "quick")) == 1


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("scratch", "Scratch"),
        ("multitask", "Multi-task + fine-tuning"),
        ("multitask:none", "Multi-task, zero-shot"),
        ("rl2", "RL²"),
        ("rl2:both", "RL² + fine-tuning"),
        ("rl2:gradient", "RL² + fine-tuning, no memory"),
        ("reptile-authors", "Reptile .9 → 1 + fine-tuning"),
    ],
)
def test_a_methods_name_says_how_it_is_pretrained_and_how_it_adapts(name: str, label: str) -> None:
    assert (Method.parse(name).name, Method.parse(name).label) == (name, label)
    own = Method.parse(f"{name}:{Method.parse(name).adaptation}") if ":" not in name else Method.parse(name)
    assert own == Method.parse(name)


def test_a_way_to_adapt_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(StudyError, match=r"multitask cannot adapt by 'context'; it can by gradient, none"):
        Method.parse("multitask:context")
    with pytest.raises(StudyError, match="scratch cannot adapt by 'none'"):
        Method.parse("scratch:none")


def test_the_nearest_name_needs_some_likeness() -> None:
    with pytest.raises(StudyError, match=r"choose one of multitask, .*scratch"):
        resolve(Arguments(benchmark="toy", methods=("zzz",)), "quick")


def test_sets_of_one_game_are_pretrained_as_long_as_asked_for() -> None:
    steps = {"paper": 500_000, "small": 20_000, "quick": 4_000}
    for preset, expected in steps.items():
        config = resolve(Arguments(benchmark="atari", preset=preset, train_sizes=(5, 1)), "quick")
        assert config.train_sizes == (1, 5)
        assert config.phase("pretrain", "multitask", 1).env_steps == expected
    asked = Arguments(benchmark="atari", preset="paper", train_sizes=(1,), pretrain_env_steps=2_000)
    assert resolve(asked, "quick").phase("pretrain", "multitask", 1).env_steps == 2_000
