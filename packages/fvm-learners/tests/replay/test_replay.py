"""The replay against a plain history of everything that happened, searched by brute force.

Every frame of these streams is a number that occurs once, so an observation says which frames it consists of.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from fvm_learners.replay import Replay

GAMMA = 0.9


@dataclass
class Step:
    """What happened once: `obs` and `next_obs` are stacks of frame numbers, 0 is blank."""

    obs: list
    action: int
    reward: float
    done: bool
    next_obs: list | None  # None: never shown
    episode: int
    cut: bool = False  # the stream ends after this step without being done


@dataclass
class World:
    """Slots that play random episodes into one replay, and the history of all that."""

    seed: int
    num_slots: int
    frame_stack: int
    n_step: int
    capacity: int
    repeat_first: bool = False
    away: float = 0.05  # probability that a slot plays elsewhere for a while after an episode
    history: list = field(default_factory=list)  # slots' lists of steps
    written: list = field(default_factory=list)  # frame numbers in the order in which rows were written

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)
        self.replay = Replay(
            self.capacity,
            (self.frame_stack,),
            torch.float32,
            frame_stack=self.frame_stack,
            n_step=self.n_step,
            discount=GAMMA,
            priority_exponent=0.5,
        )
        self.replay.check_slots(self.num_slots)
        self.next_frame = 1
        self.episode = 0
        self.history = [[] for _ in range(self.num_slots)]
        self.obs = [self.first() for _ in range(self.num_slots)]
        self.start = [True] * self.num_slots
        self.gone = [0] * self.num_slots

    def new_frame(self):
        self.next_frame += 1
        return self.next_frame - 1

    def first(self):
        self.episode += 1
        frame = self.new_frame()
        return [frame if self.repeat_first else 0] * (self.frame_stack - 1) + [frame]

    def play(self, rows):
        for _ in range(rows):
            playing = [slot for slot in range(self.num_slots) if not self.gone[slot]]
            self.gone = [max(0, left - 1) for left in self.gone]
            if playing:
                self.one_row(playing)

    def one_row(self, playing):
        rng, num = self.rng, len(playing)
        action, reward = rng.integers(0, 5, num), rng.normal(size=num).astype(np.float32)
        event = rng.choice(
            ["goes on", "terminated", "life lost", "truncated", "unseen end", "moved"],
            num,
            p=[0.8, 0.04, 0.04, 0.04, 0.04, 0.04],
        )
        done = np.isin(event, ["terminated", "life lost"])
        self.replay.append(
            playing,
            np.array([self.obs[slot] for slot in playing], dtype=np.float32),
            action,
            reward,
            done,
            np.array([self.start[slot] for slot in playing]),
        )
        self.written += [self.obs[slot][-1] for slot in playing]
        for i, slot in enumerate(playing):
            after = [*self.obs[slot][1:], self.new_frame()]
            shown = event[i] != "unseen end"
            self.history[slot].append(
                Step(
                    self.obs[slot],
                    action[i],
                    reward[i],
                    done[i],
                    after if shown else None,
                    self.episode_of(slot),
                    cut=event[i] in ("truncated", "unseen end", "moved"),
                )
            )
            if event[i] in ("truncated", "moved"):
                self.replay.cut(slot, np.array(after, dtype=np.float32))
                self.written.append(after[-1])
            elif event[i] == "unseen end":
                self.replay.cut(slot, None)
            self.start[slot] = event[i] not in ("goes on", "life lost")
            self.obs[slot] = self.first() if self.start[slot] else after
            if self.start[slot] and rng.random() < self.away:
                self.gone[slot] = int(rng.integers(1, 40))

    def episode_of(self, slot):
        steps = self.history[slot]
        if self.start[slot]:
            return self.episode * self.num_slots + slot
        return steps[-1].episode

    def expected(self):
        """{newest frame: (obs, action, return, discount, next obs)} of all that may be sampled."""
        kept = {0, *self.written[-self.capacity :]}
        return {
            step.obs[-1]: transition
            for steps in self.history
            for t, step in enumerate(steps)
            if (transition := self.transition(steps, t)) is not None
            and kept.issuperset(step.obs)
            and (transition[3] == 0 or kept.issuperset(transition[4]))
        }

    def transition(self, steps, t):
        """The n-step transition from step t, None if it is not known yet or never will be."""
        return_ = 0.0
        for k in range(self.n_step):
            if t + k == len(steps):
                return None
            step = steps[t + k]
            if step.next_obs is None:  # one step fewer, to the last observation that was seen
                return None if k == 0 else (steps[t].obs, steps[t].action, return_, GAMMA**k, step.obs)
            return_ += GAMMA**k * step.reward
            if step.done:
                return steps[t].obs, steps[t].action, return_, 0.0, None
            if step.cut:
                return steps[t].obs, steps[t].action, return_, GAMMA ** (k + 1), step.next_obs
        # The bootstrap's row is written with the step after the n-th.
        if t + self.n_step == len(steps):
            return None
        assert steps[t + self.n_step].episode == steps[t].episode
        return steps[t].obs, steps[t].action, return_, GAMMA**self.n_step, steps[t + self.n_step].obs


def all_transitions(replay):
    rows = np.flatnonzero(replay._tree.priorities > 0)
    assert len(rows) == replay.num_transitions
    return rows, replay.transitions(rows)


WORLDS = [
    pytest.param({"num_slots": 1, "frame_stack": 1, "n_step": 1, "capacity": 40}, id="one-step"),
    pytest.param({"num_slots": 1, "frame_stack": 4, "n_step": 3, "capacity": 50}, id="stack"),
    pytest.param({"num_slots": 3, "frame_stack": 4, "n_step": 3, "capacity": 60}, id="slots"),
    pytest.param({"num_slots": 3, "frame_stack": 4, "n_step": 1, "capacity": 43}, id="n below stack"),
    pytest.param({"num_slots": 2, "frame_stack": 2, "n_step": 20, "capacity": 101}, id="n above stack"),
    pytest.param(
        {"num_slots": 3, "frame_stack": 4, "n_step": 5, "capacity": 80, "repeat_first": True}, id="repeats"
    ),
]


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("seed", range(3))
def test_what_may_be_sampled_is_what_brute_force_finds(kind, seed):
    world = World(seed, **kind)
    sampled = 0
    for _ in range(60):  # some ten times around the ring
        world.play(int(world.rng.integers(1, 20)))
        expected = world.expected()
        rows, got = all_transitions(world.replay)
        assert {int(obs[-1]) for obs in got.obs} == set(expected)
        for i in range(len(rows)):
            obs, action, return_, discount, next_obs = expected[int(got.obs[i, -1])]
            assert got.obs[i].tolist() == obs
            assert got.action[i] == action
            assert got.return_[i].item() == pytest.approx(return_, abs=1e-5)
            assert got.discount[i].item() == pytest.approx(discount, abs=1e-6)
            assert discount == 0 or got.next_obs[i].tolist() == next_obs
        sampled += len(rows)
    assert len(world.written) > 5 * world.capacity
    assert sampled > 200


@pytest.mark.parametrize("kind", WORLDS)
def test_recent_steps_are_the_newest_with_their_own_rewards(kind):
    world = World(7, **kind)
    assert len(world.replay.recent(5, 5, np.random.default_rng(0)).action) == 0
    for _ in range(20):
        world.play(int(world.rng.integers(1, 20)))
        every = [step for steps in world.history for step in steps]
        order = {frame: i for i, frame in enumerate(world.written)}
        kept = {0, *world.written[-world.capacity :]}
        newest = sorted(
            (step for step in every if kept.issuperset(step.obs)), key=lambda step: -order[step.obs[-1]]
        )
        window = newest[:10]
        context = world.replay.recent(10, 10, np.random.default_rng(0))
        found = {
            tuple(obs.tolist()): (a, r)
            for obs, a, r in zip(context.obs, context.action, context.reward, strict=True)
        }
        assert len(context.action) == len(window)
        assert found.keys() == {tuple(step.obs) for step in window}  # each once
        for step in window:
            action, reward = found[tuple(step.obs)]
            assert (action, reward) == (step.action, pytest.approx(step.reward))


@pytest.mark.parametrize("kind", WORLDS)
def test_recent_steps_come_with_what_they_led_to(kind):
    world = World(7, **kind)
    checked = 0
    for _ in range(20):
        world.play(int(world.rng.integers(1, 20)))
        led_to = {tuple(step.obs): step for steps in world.history for step in steps}
        open_ends = {tuple(world.obs[slot]) for slot in range(world.num_slots) if not world.start[slot]}
        context = world.replay.recent(50, 50, np.random.default_rng(0), next_obs=True)
        for obs, next_obs in zip(context.obs.tolist(), context.next_obs.tolist(), strict=True):
            step = led_to[tuple(obs)]
            after = step.next_obs
            if step.done and next_obs == obs:
                continue  # a done step's next observation is kept only where play goes on from it
            assert after is not None
            assert tuple(after) not in open_ends  # not yet written, so not yet known
            assert next_obs == after
            checked += 1
    assert checked > 100


def test_recent_steps_are_drawn_uniformly():
    world = World(3, num_slots=2, frame_stack=1, n_step=3, capacity=200)
    world.play(60)
    rng, counts = np.random.default_rng(0), {}
    for _ in range(2000):
        for obs in world.replay.recent(3, 12, rng).obs:
            counts[int(obs)] = counts.get(int(obs), 0) + 1
    # Each is drawn in 3 of 12: 500 times, four standard deviations of a binomial are 77.
    assert len(counts) == 12
    assert max(abs(count - 500) for count in counts.values()) < 77
    assert len(world.replay.recent(30, 5, rng).action) == 5
    assert len(world.replay.recent(30, 5, rng, replace=True).action) == 30


# ---- priorities


def filled(seed=0, **changes):
    kind = {"num_slots": 2, "frame_stack": 4, "n_step": 3, "capacity": 200, "away": 0.0}
    world = World(seed, **kind | changes)
    world.play(120)
    return world


def test_new_transitions_have_the_largest_priority_ever_seen():
    replay = filled().replay
    rows, _ = all_transitions(replay)
    assert set(replay._tree.priorities[rows]) == {1.0}
    replay.update_priorities(rows[:2], np.array([9.0, 0.25]))
    assert replay._tree.priorities[rows[:2]].tolist() == [3.0, 0.5]  # alpha .5
    replay.update_priorities(rows[:1], np.array([0.01]))
    obs = np.zeros((1, 4), dtype=np.float32)
    for _ in range(4):  # the first of these steps has its three rewards with the fourth
        new = replay._frames.head
        replay.append([9], obs, np.array([0]), np.array([0.0]), np.array([False]), np.array([True]))
    assert replay._tree.priorities[(new - 3) % 200] == 3.0


def test_samples_follow_priorities():
    """Chi-square over all transitions; four standard deviations above its mean."""
    replay, rng = filled().replay, np.random.default_rng(0)
    rows, _ = all_transitions(replay)
    loss = rng.random(len(rows)) * 4 + 0.1
    replay.update_priorities(rows, loss)
    share = np.sqrt(loss) / np.sqrt(loss).sum()
    counts, draws = dict.fromkeys(rows.tolist(), 0), 3000 * 32
    for _ in range(3000):
        drawn, probability = replay.draw(32, rng)
        for row in drawn.tolist():
            counts[row] += 1
    np.testing.assert_allclose(probability, [share[rows.tolist().index(row)] for row in drawn.tolist()])
    expected = draws * share
    degrees = len(rows) - 1
    assert degrees > 100
    chi_square = ((np.array([counts[row] for row in rows.tolist()]) - expected) ** 2 / expected).sum()
    assert chi_square < degrees + 4 * np.sqrt(2 * degrees)


def test_a_loss_of_zero_can_still_be_sampled():
    replay = filled().replay
    rows, _ = all_transitions(replay)
    replay.update_priorities(rows, np.zeros(len(rows)))
    assert replay.num_transitions == len(rows)
    assert replay._tree.priorities[rows].max() == pytest.approx(1e-3)


def test_what_was_overwritten_between_drawing_and_updating_stays_so():
    world = filled()
    rows, _ = world.replay.draw(32, np.random.default_rng(0))
    world.play(150)
    before = world.replay._tree.priorities.copy()
    world.replay.update_priorities(rows, np.full(32, 5.0))
    assert np.array_equal(world.replay._tree.priorities > 0, before > 0)


# ---- stacks


def test_channels_of_stacked_frames_come_back_in_the_envs_order():
    """Three-channel frames, stacked twice."""
    replay = Replay(50, (2, 2, 6), torch.uint8, frame_stack=2, n_step=1, discount=1.0, priority_exponent=0.5)
    rng = np.random.default_rng(0)
    frames = rng.integers(1, 256, (5, 2, 2, 3), dtype=np.uint8)
    older = np.zeros((2, 2, 3), dtype=np.uint8)
    stacks = [np.concatenate((older if t == 0 else frames[t - 1], frames[t]), axis=-1) for t in range(5)]
    for t, obs in enumerate(stacks):
        replay.append([0], obs[None], np.array([t]), np.array([0.0]), np.array([t == 4]), np.array([t == 0]))
    rows, got = all_transitions(replay)
    assert got.obs.shape == (5, 2, 2, 6)
    assert got.obs.dtype == torch.uint8
    for t in range(5):
        assert np.array_equal(got.obs[t].numpy(), stacks[t])
        assert t == 4 or np.array_equal(got.next_obs[t].numpy(), stacks[t + 1])
    del rows


# ---- state


@pytest.mark.parametrize("rows", [5, 200])  # before and after the ring is full
def test_a_restored_replay_goes_on_as_the_one_it_was(rows, assert_same, filed):
    kind = {"num_slots": 3, "frame_stack": 4, "n_step": 3, "capacity": 90}
    ours, theirs = World(1, **kind), World(1, **kind)
    for world in (ours, theirs):
        world.play(rows)
    drawn = np.flatnonzero(ours.replay._tree.priorities > 0)
    for world in (ours, theirs):
        world.replay.update_priorities(drawn, np.linspace(0.1, 3, len(drawn)))
    state = filed(ours.replay.state_dict())
    ours.replay = World(99, **kind).replay
    World(5, **kind).play(50)
    ours.replay.load_state_dict(state)
    for world in (ours, theirs):
        world.play(60)
        world.replay.update_priorities(*[np.flatnonzero(world.replay._tree.priorities > 0)[:3]], np.ones(3))
    assert_same(ours.replay.state_dict(), theirs.replay.state_dict())
    draws = [world.replay.draw(32, np.random.default_rng(0)) for world in (ours, theirs)]
    assert np.array_equal(draws[0][0], draws[1][0])


def test_a_state_is_a_copy_and_fits_one_capacity(assert_same):
    world = World(1, num_slots=1, frame_stack=1, n_step=1, capacity=40)
    world.play(10)
    state = world.replay.state_dict()
    kept = world.replay.state_dict()
    world.play(100)
    assert_same(state, kept)
    full = world.replay.state_dict()
    for other in ({"capacity": 30}, {"capacity": 60}):
        smaller = World(1, **({"num_slots": 1, "frame_stack": 1, "n_step": 1} | other))
        with pytest.raises(ValueError, match="the saved replay holds 40 frames of 1 values, this one"):
            smaller.replay.load_state_dict(full)


def test_frames_written_as_to_another_device_are_the_same():
    """The other way of writing them, on the CPU for want of a GPU."""
    worlds = [World(2, num_slots=3, frame_stack=4, n_step=3, capacity=60) for _ in range(2)]
    worlds[1].replay._frames._host = None
    for world in worlds:
        world.play(100)
    ours, theirs = (all_transitions(world.replay)[1] for world in worlds)
    assert len(ours.obs) > 20
    assert torch.equal(ours.obs, theirs.obs)
    assert torch.equal(ours.next_obs, theirs.next_obs)
