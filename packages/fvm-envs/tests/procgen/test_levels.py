"""States at the start of levels: those that the library itself begins with, made once and kept."""

import numpy as np
import pytest
from fvm_envs.procgen.games import NATIVE_MODE
from fvm_envs.procgen.levels import LevelGenerator, native_options
from fvm_envs.procgen.native import NativeEnv

OPTIONS = native_options("easy", use_backgrounds=True, restrict_themes=False)
pytestmark = pytest.mark.procgen


@pytest.fixture
def make():
    made = []

    def build(**options):
        made.append(LevelGenerator("coinrun-easy", OPTIONS, **options))
        return made[-1]

    yield build
    for generator in made:
        generator.close()


@pytest.mark.parametrize("level", [0, 17, 200_003])
def test_a_level_is_what_the_library_shows_when_it_is_made_for_that_level_alone(make, level):
    alone = NativeEnv("coinrun", 1, {**OPTIONS, "start_level": level, "num_levels": 1})
    generator = make()
    generator.native.set_state(0, generator.initial_state(level))
    assert np.array_equal(generator.native.obs, alone.obs)
    assert generator.native.info["level_seed"][0] == alone.info["level_seed"][0] == level
    alone.close()


def test_a_state_is_pinned_to_its_level(make):
    generator = make()
    state = generator.initial_state(5)
    assert generator.layout.level_of(state) == 5
    generator.layout.check(state)


def test_where_the_generator_was_does_not_matter(make):
    """The level decides what is in it; twisters of the past do not."""
    fresh, used = make(), make()
    for level in (3, 9, 4):
        used.initial_state(level)
    assert used.layout.scene(used.initial_state(7)) == fresh.layout.scene(fresh.initial_state(7))


def test_the_levels_that_were_used_last_are_kept(make, monkeypatch):
    generator, made = make(kept_levels=2), []
    generate = generator._generate
    monkeypatch.setattr(generator, "_generate", lambda level: made.append(level) or generate(level))
    for level in (1, 2, 1, 3, 1, 2):  # 3 pushes 2 out, which was used longest ago
        generator.initial_state(level)
    assert made == [1, 2, 3, 2]


def test_without_keeping_each_is_made_again_and_the_same(make, monkeypatch):
    generator, made = make(), []
    generate = generator._generate
    monkeypatch.setattr(generator, "_generate", lambda level: made.append(level) or generate(level))
    one, other = (generator.layout.scene(generator.initial_state(1)) for _ in range(2))
    assert made == [1, 1]
    assert one == other


def test_options_are_upstream_s_but_for_what_is_named():
    options = native_options("hard", use_backgrounds=False, restrict_themes=True)
    assert options["distribution_mode"] == NATIVE_MODE["hard"]
    assert (options["use_backgrounds"], options["restrict_themes"]) == (False, True)
    assert (options["center_agent"], options["use_monochrome_assets"]) == (True, False)
    with pytest.raises((TypeError, ValueError), match="restrict_themes"):
        native_options("easy", use_backgrounds=True, restrict_themes=2)
