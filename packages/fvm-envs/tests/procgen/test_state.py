"""The layout of a serialised game, on bytes written by hand; the library's own: test_native.py."""

import struct

import pytest
from fvm_envs.procgen.state import StateLayout

END = struct.pack("<I", 0xCAFECAFE)


def text(value):
    return struct.pack("<i", len(value)) + value


def twister(value):
    return struct.pack("<i", 1) + text(value)


def serialised(*, name=b"maze", options=range(12), low=3, high=8, entities=2, timeout=500, **parts):
    """A game as `Game::serialize` and `BasicAbstractGame::serialize` write one, of the fields that matter."""
    part = {
        "rand": b"11 22",
        "seeds": b"5",
        "clock": 7,
        "entity": 1.5,
        "settings": b"\1" * 76,
        "grid": b"grid",
    } | parts
    clocks = struct.pack("<fiiiiiiiiifiiii", 0.5, 1, 2, part["clock"], timeout, *range(5), 0.25, 0, 0, 0, 0)
    return b"".join(
        (
            struct.pack("<i", 0),  # version
            text(name),
            struct.pack("<12i", *options),
            struct.pack("<iiiii", 0, low, high, 4, 1),
            twister(part["rand"]),
            twister(part["seeds"]),
            clocks,
            struct.pack("<ii", 0, entities),
            struct.pack("<f", part["entity"]) * 31 * entities,
            part["settings"],
            twister(b"33"),
            part["grid"],
            END,
        )
    )


def test_what_all_states_of_a_game_share():
    layout = StateLayout.of(serialised())
    assert layout.timeout == 500
    assert layout.prefix == struct.pack("<i", 0) + text(b"maze") + struct.pack("<12i", *range(12))
    assert layout == StateLayout.of(serialised(low=0, high=0, rand=b"9 9 9 9", entities=5))


def test_a_level_is_read_and_written_and_nothing_else_moves():
    layout, state = StateLayout.of(serialised()), serialised()
    assert layout.level_of(state) == 3
    assert layout.at_level(state, 70_000) == serialised(low=70_000, high=70_001)


@pytest.mark.parametrize(
    "other",
    [{"rand": b"99 98 97"}, {"seeds": b"1 2 3"}, {"clock": 99}, {"low": 0, "high": 0}, {"timeout": 9}],
    ids=lambda other: "+".join(other),
)
def test_a_scene_knows_no_generators_levels_or_clocks(other):
    layout = StateLayout.of(serialised())
    assert layout.scene(serialised(**other)) == layout.scene(serialised())


@pytest.mark.parametrize(
    "other",
    [{"entity": 2.5}, {"entities": 3}, {"grid": b"wall"}, {"settings": b"\1" * 16 + b"\2" * 60}],
    ids=lambda other: "+".join(other),
)
def test_a_scene_is_entities_settings_and_grid(other):
    layout = StateLayout.of(serialised())
    assert layout.scene(serialised(**other)) != layout.scene(serialised())


def test_wallpaper_and_the_last_step_s_random_number_are_not_in_it():
    layout = StateLayout.of(serialised())
    other = b"\2" * 16 + b"\1" * 56 + b"\7" * 4
    assert layout.scene(serialised(settings=other)) == layout.scene(serialised())


def test_what_the_library_would_end_the_process_for_is_refused():
    layout, state = StateLayout.of(serialised()), serialised()
    layout.check(state)
    for other in (serialised(name=b"heist"), serialised(options=[1] * 12), b""):
        with pytest.raises(ValueError, match="of another Procgen game, mode or option"):
            layout.check(other)
    with pytest.raises(ValueError, match="cut off: it does not end with the library's end mark"):
        layout.check(state[:-1])
