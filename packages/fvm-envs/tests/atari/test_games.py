import pytest
from fvm_envs import Task
from fvm_envs.atari.env import make_native
from fvm_envs.atari.games import GAMES, game_of, to_native

ALL = list(range(18))
# Measured with ale-py 0.12.1. 0 is nothing, 1 fire, 2 up, 3 right, 4 left, 5 down.
MINIMAL = {
    "pong": [0, 1, 3, 4, 11, 12],
    "assault": [0, 1, 2, 3, 4, 11, 12],
    "battle_zone": ALL,
    "ms_pacman": [0, 2, 3, 4, 5, 6, 7, 8, 9],
    "beam_rider": [0, 1, 2, 3, 4, 6, 7, 11, 12],
    "breakout": [0, 1, 3, 4],
    "demon_attack": [0, 1, 3, 4, 11, 12],
    "robotank": ALL,
    "bank_heist": ALL,
    "solaris": ALL,
    "alien": ALL,
    "seaquest": ALL,
    "asteroids": [*range(8), *range(10, 16)],
    "krull": ALL,
    "frostbite": ALL,
}


def test_there_are_57_games():
    assert len(GAMES) == 57
    assert sorted(GAMES) == list(GAMES)


@pytest.mark.atari
def test_ale_py_has_the_roms_of_all_games():
    from ale_py import roms

    assert set(GAMES) <= set(roms.get_all_rom_ids())


@pytest.mark.atari
@pytest.mark.parametrize("game", MINIMAL)
def test_minimal_actions(game):
    assert [action.value for action in make_native(game).get_action_set()] == MINIMAL[game]


def test_native_actions_are_the_games_own():
    assert to_native(MINIMAL["breakout"], "native").tolist() == [0, 1, 2, 3]


def test_semantic_actions_keep_their_meaning():
    pong = to_native(MINIMAL["pong"], "semantic")
    assert len(pong) == 18
    for code in range(18):
        known = code in MINIMAL["pong"]
        assert MINIMAL["pong"][pong[code]] == (code if known else 0)


def test_index_actions_are_filled_up_with_nothing():
    for game, minimal in MINIMAL.items():
        assert to_native(minimal, "index").tolist() == [
            *range(len(minimal)),
            *[0] * (18 - len(minimal)),
        ], game


def test_both_paddings_agree_where_a_game_knows_all_actions():
    assert to_native(ALL, "semantic").tolist() == to_native(ALL, "index").tolist() == ALL


@pytest.mark.parametrize(
    ("id", "message"),
    [
        ("atari/pnog", "there is no Atari game 'pnog': did you mean 'pong'?"),
        ("atari/mspacman", "did you mean 'ms_pacman'?"),
        ("atari/zzz", "did you mean '"),
        ("atari/pong/3", "atari/pong has no levels: leave '/3' out"),
    ],
)
def test_games_that_do_not_exist(id, message):
    with pytest.raises(ValueError) as error:
        game_of(Task.parse(id))
    assert message in str(error.value)
