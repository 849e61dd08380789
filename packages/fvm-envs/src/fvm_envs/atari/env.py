"""Atari as a vector environment: each slot on a game of its own choice.

`ALEVectorInterface`, the native part of ale-py's `AtariVectorEnv`, plays one game an instance and steps all
its environments at once. A slot therefore has an instance of one environment for each game that it has
played, made at first use and kept, and steps that of its present game only.

Loading a ROM, which seeding a native environment does, costs some 250 env steps. So only the first episode
that a slot plays of a game after the slot was seeded loads it; later ones go on from where the native
environment's own generator stands, and depend on the slot's seed and actions alone all the same.

Preprocessing is ale-py's: an action is held for 4 frames, the last two are merged by their maximum, in grey,
and resized to 84 x 84 by area (Mnih et al. 2015; Machado et al. 2018). What it is told to leave alone: it
neither clips rewards nor ends or restarts a game when a life is lost, it presses FIRE only if asked to, and
it never truncates, because the last frame that it would then show is an old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Unpack

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fvm_envs.atari.games import NUM_ACTIONS, ActionSpace, game_of, to_native
from fvm_envs.slot_env import OnEpisodeEnd, Seed, SlotEnv, SlotOptions, State
from fvm_envs.slot_inputs import read_count, read_flag
from fvm_envs.task import TaskSet

if TYPE_CHECKING:
    from ale_py import ALEVectorInterface

FRAME_SKIP = 4
"""Frames that an action is held for: an env step."""
SIDE = 84
"""Pixels a side of a frame."""
VIDEO_SCALE = 6
"""Times a frame is enlarged for a video."""
_NEVER = 2**30
"""Frames, more than an episode can have; the native count starts one above and must not overflow."""
MAX_EMULATORS = 4096
"""Slots of one environment: each has a thread for every game that it has played."""
_FIRST = np.zeros(1, dtype=np.int64)
_FULL_STRENGTH = np.ones(1, dtype=np.float32)


class AtariVec(SlotEnv):
    """Slots that play Atari games, with observations uint8 [84, 84, frame_stack], the newest frame last.

    Besides what every environment here gives, `info` has `lives`, int64, of the returned observation, and
    after a step `life_lost`, bool: whether the transition that just ended lost a life and the game goes on.
    `terminated` means that the game is over.

    Args:
        tasks: Games, `atari/<game>`.
        num_envs: Number of slots.
        seed: Seeds the draws of tasks and the slots' own dynamics.
        on_episode_end: "resample" draws the next game from `tasks`, "stay" repeats the game.
        draw: What "resample" draws: "least_played" the game with the fewest env steps since the last seeded
            reset of all slots, of equals the one that fewer slots play now, then the first; so all games get
            equal shares of the env steps, however long their episodes are. "uniform" gives them equal shares
            of the episodes.
        action_space: "native", the actions of the one game; "semantic", the 18 of ALE, those that a game does
            not know do nothing; "index", a game's own actions first, the rest of 18 do nothing.
        noop_max: An episode starts after 0 to `noop_max` - 1 frames without action; 0 for none.
        repeat_action_probability: Of the last action in place of the one given, for each frame.
        fire_reset: Press FIRE once at the start, where the game knows it.
        frame_stack: Frames in an observation; those before an episode's first are 0.
        max_frames: Frames after which an episode is truncated.
        num_threads: Games that are stepped at the same time.
        **slot_options: `episode_stats` and `autoreset`, as `SlotEnv` takes them.

    Raises:
        ImportError: If ale-py is not installed.
        ValueError: If a game does not exist, or an option is out of range.
    """

    saves_state = False

    def __init__(
        self,
        tasks: TaskSet,
        num_envs: int,
        seed: int,
        *,
        on_episode_end: OnEpisodeEnd = "resample",
        draw: Literal["least_played", "uniform"] = "least_played",
        action_space: ActionSpace = "semantic",
        noop_max: int = 30,
        repeat_action_probability: float = 0.0,
        fire_reset: bool = False,
        frame_stack: int = 4,
        max_frames: int = 108_000,
        num_threads: int = 1,
        **slot_options: Unpack[SlotOptions],
    ) -> None:
        self._natives: dict[tuple[int, int], ALEVectorInterface] = {}
        self._playing: dict[int, ALEVectorInterface] = {}
        self.games = tuple(game_of(task) for task in tasks)
        if draw not in ("least_played", "uniform"):
            raise ValueError(f"draw is {draw!r}: expected 'least_played' or 'uniform'")
        if action_space not in ("native", "semantic", "index"):
            raise ValueError(f"action_space is {action_space!r}: expected 'native', 'semantic' or 'index'")
        if action_space == "native" and len(tasks) > 1:
            raise ValueError(
                f"{len(tasks)} games have no native actions in common: use 'semantic' or 'index'"
            )
        num_envs = read_count("num_envs", num_envs, 1, MAX_EMULATORS)
        for name, value, least, most in (
            ("noop_max", noop_max, 0, 10_000),
            ("frame_stack", frame_stack, 1, 64),
            ("max_frames", max_frames, 1, _NEVER),
            ("num_threads", num_threads, 1, 1024),
        ):
            read_count(name, value, least, most)
        fire_reset = read_flag("fire_reset", fire_reset)
        if not 0 <= repeat_action_probability <= 1:
            raise ValueError(f"repeat_action_probability is {repeat_action_probability}: give 0 to 1")
        self.draw = draw
        self.actions: ActionSpace = action_space
        self.max_frames = max_frames
        self.num_threads = num_threads
        self._options = {
            "noop_max": noop_max,
            "repeat_action_probability": repeat_action_probability,
            "use_fire_reset": fire_reset,
            "stack_num": frame_stack,
        }
        self._to_native = np.zeros((len(tasks), NUM_ACTIONS), dtype=np.int64)
        num_actions = NUM_ACTIONS
        if action_space == "native":
            num_actions = len(self._native(0, 0).get_action_set())
        self._slot_seeds = [np.random.SeedSequence(0)] * num_envs
        self._is_seeded = np.zeros((num_envs, len(tasks)), dtype=bool)
        self._lives = np.zeros(num_envs, dtype=np.int64)
        self._env_steps = np.zeros(len(tasks), dtype=np.int64)
        # Stacks as ale-py writes them: one frame after the other. What is handed out is a view of a copy.
        self._stacks = np.zeros((num_envs, frame_stack, SIDE, SIDE), dtype=np.uint8)
        super().__init__(
            tasks,
            num_envs,
            seed,
            on_episode_end=on_episode_end,
            observation_space=gym.spaces.Box(0, 255, (SIDE, SIDE, frame_stack), np.uint8),
            action_space=gym.spaces.Discrete(num_actions),
            **slot_options,
        )

    def _native(self, slot: int, task: int) -> ALEVectorInterface:
        """The instance that plays a game in a slot."""
        if (slot, task) not in self._natives:
            native = self._natives[slot, task] = make_native(self.games[task], **self._options)
            minimal = [action.value for action in native.get_action_set()]
            positions = to_native(minimal, self.actions)
            self._to_native[task, : len(positions)] = positions
        return self._natives[slot, task]

    def seed_slots(self, seed: Seed, mask: NDArray[np.bool_]) -> None:
        """Seed draws and slots; a seed for every slot also sets the games' step counts to zero."""
        super().seed_slots(seed, mask)
        seeds = [seed] if seed is None or isinstance(seed, (int, np.integer)) else seed
        if mask.all() and all(own is not None for own in seeds):
            self._env_steps[:] = 0

    def seed_dynamics(self, slot: int, seed: np.random.SeedSequence) -> None:
        """Seed a slot: each of its games loads its ROM anew at its next episode."""
        self._slot_seeds[slot] = seed
        self._is_seeded[slot] = False

    def draw_tasks(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """The games that `slots` play next, as `draw` says."""
        if self.draw == "uniform":
            return super().draw_tasks(slots)
        others = np.delete(self.task_index, slots)
        playing = np.bincount(others[others >= 0], minlength=len(self.tasks))
        drawn = np.empty(len(slots), dtype=np.int64)
        for i in range(len(slots)):
            drawn[i] = np.lexsort((playing, self._env_steps))[0]
            playing[drawn[i]] += 1
        return drawn

    def begin(self, slots: NDArray[np.int64], *, autoreset: bool) -> None:
        """Start an episode of its game in each of `slots`."""
        for slot in slots.tolist():
            task = int(self.task_index[slot])
            native = self._playing[slot] = self._native(slot, task)
            seed = (
                -1 if self._is_seeded[slot, task] else native_seed(self._slot_seeds[slot], self.games[task])
            )
            self._is_seeded[slot, task] = True
            stack, info = native.reset(_FIRST, np.array([seed]))
            self._stacks[slot] = stack[0]
            self._lives[slot] = info["lives"][0]

    def advance(
        self, actions: NDArray[np.int64], slots: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One step of every slot's game, `num_threads` of them at a time."""
        native_actions = self._to_native[self.task_index, actions]
        reward = np.zeros(self.num_envs, dtype=np.float64)
        terminated = np.zeros(self.num_envs, dtype=bool)
        lives = self._lives.copy()
        behind = self.num_threads - 1
        playing = slots.tolist()
        for turn in range(len(playing) + behind):
            if turn < len(playing):
                slot = playing[turn]
                self._playing[slot].send(native_actions[slot, None], _FULL_STRENGTH)
            if turn >= behind:
                slot = playing[turn - behind]
                stack, rewards, game_over, _, info = self._playing[slot].recv()
                self._stacks[slot] = stack[0]
                reward[slot], terminated[slot], lives[slot] = rewards[0], game_over[0], info["lives"][0]
        # Some games show no lives left for a few frames before they are over; nothing can be won then.
        life_lost = (lives < self._lives) & ~terminated
        self._lives = lives
        self._env_steps += np.bincount(self.task_index[slots], minlength=len(self.tasks))
        truncated = ((self.lengths + 1) * FRAME_SKIP >= self.max_frames) & ~terminated
        return reward, terminated, truncated, {"life_lost": life_lost}

    def observe(self) -> NDArray[np.uint8]:
        """The stacks of frames, uint8 [num_envs, 84, 84, frame_stack]."""
        return np.moveaxis(self._stacks.copy(), 1, -1)

    def final_obs(self, slots: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The stacks at the end of the episodes that have just ended."""
        return np.moveaxis(self._stacks[slots], 1, -1)

    def slot_info(self) -> dict[str, Any]:
        """The lives of the game that each slot shows."""
        return {"lives": self._lives.copy()}

    def draw_slot(self, slot: int) -> NDArray[np.uint8]:
        """The slot's newest frame as the agent sees it, in grey and enlarged, uint8 [504, 504, 3]."""
        large = self._stacks[slot, -1].repeat(VIDEO_SCALE, axis=0).repeat(VIDEO_SCALE, axis=1)
        frame: NDArray[np.uint8] = large[..., None].repeat(3, axis=-1)
        return frame

    def close_extras(self, **kwargs: Any) -> None:
        """Free the games."""
        self._playing.clear()
        self._natives.clear()

    def own_state(self) -> State:
        """Not possible.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            "ale-py's vector environment cannot save its state: reset all slots with a seed where a run is "
            "to be resumable, and begin again there"
        )

    def load_own_state(self, state: Mapping[str, Any]) -> None:
        """Not possible, as `own_state` says."""
        self.own_state()


def make_native(game: str, **options: Any) -> ALEVectorInterface:
    """An instance with one environment, which a seeded reset must begin.

    Raises:
        ImportError: If ale-py is not installed.
    """
    try:
        # Not AtariVectorEnv: making one writes its autoreset mode into gymnasium.vector.VectorEnv.metadata.
        from ale_py import ALEVectorInterface, roms
    except ImportError as error:
        raise ImportError("Atari needs ale-py: run `pip install 'fvm-envs[atari]'`") from error
    rom_path = roms.get_rom_path(game)
    assert rom_path is not None, f"this ale-py has no {game}"
    return ALEVectorInterface(
        rom_path=rom_path,
        num_envs=1,
        frame_skip=FRAME_SKIP,
        img_height=SIDE,
        img_width=SIDE,
        grayscale=True,
        maxpool=True,
        episodic_life=False,
        life_loss_info=False,
        reward_clipping=False,
        max_episode_steps=_NEVER,
        full_action_space=False,
        batch_size=0,
        num_threads=1,
        thread_affinity_offset=-1,
        autoreset_mode="NextStep",
        **options,
    )


def native_seed(slot_seed: np.random.SeedSequence, game: str) -> int:
    """The seed of a slot's native environment of a game, whichever games there are besides."""
    key = (*slot_seed.spawn_key, *game.encode())
    seed = np.random.SeedSequence(slot_seed.entropy, spawn_key=key).generate_state(1)[0]
    return int(seed >> 1)
