"""C2F-ARM as a learner: acting, learning, and going on where it was saved."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from fvm_learners.c2f_arm import C2FARM, CPU, RECOMMENDED, UPSTREAM, C2FARMConfig, scene
from fvm_learners.c2f_arm.c2f_arm import c2f_arm_loss
from fvm_learners.c2f_arm.config import QUIRKS
from fvm_learners.hooks import Hook
from gymnasium.vector import AutoresetMode


def make(envs, config, **options):
    return C2FARM(
        envs.single_observation_space, envs.single_action_space, config, seed=0, episode_length=3, **options
    )


def flat(state, path=""):
    """All leaves of a state, as arrays or JSON values, by path."""
    if isinstance(state, dict):
        return {
            name: leaf for key, part in state.items() for name, leaf in flat(part, f"{path}/{key}").items()
        }
    return {path: state}


def assert_equal(one, two):
    left, right = flat(one), flat(two)
    assert left.keys() == right.keys()
    for name, leaf in left.items():
        if isinstance(leaf, torch.Tensor):
            assert torch.equal(leaf, right[name]), name
        else:
            assert leaf == right[name], name


def successes(agent, envs, episodes):
    policy, wins = agent.frozen_policy(), []
    obs, _ = envs.reset(seed=77)
    state, start = policy.initial_state(envs.num_envs), np.ones(envs.num_envs, bool)
    rngs = [np.random.default_rng(i) for i in range(envs.num_envs)]
    while len(wins) < episodes:
        action, state = policy.act(obs, state, start, rngs)
        obs, reward, terminated, truncated, _ = envs.step(action)
        start = terminated | truncated
        wins += reward[start].tolist()
    return np.mean(wins[:episodes])


def test_it_learns_to_touch_a_ball_from_five_demonstrations(ball, demos, tiny):
    """Threshold set before the runs; an untrained agent touches none."""
    envs = ball(num_envs=4)
    agent = make(envs, replace(tiny, anneal_updates=300, final_learning_rate_frac=0.1))
    assert successes(agent, envs, 20) < 0.2
    agent.add_demonstrations(demos(5))
    for _ in range(300):
        agent.update()
    assert successes(agent, envs, 40) >= 0.9


@pytest.mark.parametrize("exploration", ["noise", "boltzmann"])
@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_resumed_it_goes_on_bit_for_bit(ball, demos, tiny, filed, exploration, mode):
    config = replace(tiny, exploration=exploration, updates_per_env_step=0.5)
    envs, again = ball(mode=mode), ball(mode=mode)
    agent = make(envs, config)
    agent.add_demonstrations(demos(2))
    for _ in range(3):
        agent.iteration(envs)
    state, world = filed(agent.state_dict()), filed(envs.state_dict())
    for _ in range(3):
        agent.iteration(envs)
    other = make(again, config)
    again.reset(seed=9)
    again.load_state_dict(world)
    other.iteration(ball(mode=mode))  # a used learner forgets what it did
    other.load_state_dict(state)
    for _ in range(3):
        other.iteration(again)
    assert agent.updates == other.updates > 10
    assert_equal(agent.state_dict(), other.state_dict())


def test_an_update_waits_for_a_first_success(ball, demos, tiny):
    envs = ball()
    agent = make(envs, replace(tiny, first_success=True))
    agent.collect(envs, 4)
    assert agent.updates_due == 0
    with pytest.raises(ValueError, match="nothing to learn from yet"):
        agent.update()
    agent.add_demonstrations(demos(1))
    agent.update()


def test_kept_values_are_those_that_would_be_worked_out(ball, demos, tiny):
    config = replace(tiny, yaw_degrees=0.0, shift=(0, 0, 0), jitter=0.0)
    agents = [make(ball(), replace(config, cached_targets=kept)) for kept in (True, False)]
    for agent in agents:
        agent.add_demonstrations(demos(2))
        for parameter in agent.policy.parameters():  # values that are not 0
            with torch.no_grad():
                parameter.add_(0.01)
        agent.copy_to_target()
    batches = [agent.make_batch([0], np.random.default_rng(0)) for agent in agents]
    worked_out = [agent._next_values(batch) for agent, batch in zip(agents, batches, strict=True)]
    torch.testing.assert_close(worked_out[0], worked_out[1])
    again = agents[0].make_batch([0], np.random.default_rng(0))
    assert again.next_scene is None
    torch.testing.assert_close(again.next_values, worked_out[0])
    agents[0].copy_to_target()
    assert agents[0].make_batch([0], np.random.default_rng(0)).next_scene is not None


def test_a_diverged_run_goes_on_and_says_so(ball, demos, tiny):
    envs = ball()
    agent = make(envs, replace(tiny, learning_rate=1e30, max_grad_norm=None, updates_per_env_step=1.0))
    agent.add_demonstrations(demos(1))
    iteration = None
    for _ in range(4):
        iteration = agent.iteration(envs)
    assert not math.isfinite(iteration.metrics["loss"])
    assert np.isfinite(agent.replays[0]._tree.priorities).all()
    assert iteration.env_steps == 8


def test_iterations_are_as_long_as_they_are_told(ball, demos, tiny):
    envs = ball(num_envs=2)
    agent = make(envs, tiny)
    agent.add_demonstrations(demos(1))
    assert agent.iteration_env_steps(2) == 8
    assert [agent.iteration(envs, steps).env_steps for steps in (None, 6, 5)] == [8, 6, 4]
    assert agent.updates == 18
    with pytest.raises(ValueError, match="less than one step of 2 envs"):
        agent.iteration(envs, 1)


def test_parts_are_loaded_frozen_and_drawn_anew(ball, demos, tiny):
    one, two = (make(ball(), tiny) for _ in range(2))
    one.add_demonstrations(demos(1))
    one.update()
    before, theirs = two.weights(), one.weights()
    two.load_weights(theirs, only=("encoder",))
    for name, value in two.weights().items():
        source = before if ".head." in name else theirs
        assert torch.equal(value, source[name])
    two.add_demonstrations(demos(1))
    two.freeze("encoder")
    two.update()
    after = two.weights()
    assert all(torch.equal(after[name], theirs[name]) for name in after if ".head." not in name)
    assert any(not torch.equal(after[name], before[name]) for name in after if ".head." in name)
    two.unfreeze()
    two.reset_parts("head")
    assert not any(two.weights()["depths.0.head.translation.weight"].flatten())
    with pytest.raises(ValueError, match="there are no parts"):
        two.freeze("value")


def test_a_part_drawn_anew_forgets_its_moments_and_leaves_the_others(ball, demos, tiny):
    agent = make(ball(), tiny)
    agent.add_demonstrations(demos(2))
    for _ in range(3):
        agent.update()
    target = {name: tensor.clone() for name, tensor in agent.target.state_dict().items()}
    agent.reset_parts("head")
    assert len(agent._values) == 0
    for (name, own), theirs in zip(agent.policy.named_parameters(), agent.target.parameters(), strict=True):
        assert torch.equal(own, theirs) == (".head." in name), name
        assert torch.equal(theirs, target[name]) or ".head." in name, name
        assert agent.optimiser.state[own]["exp_avg_sq"].any().item() == (".head." not in name), name


class Prior:
    """A sampler whose latents are standard normal."""

    def batch(self, learner, rng):
        latent = torch.from_numpy(rng.standard_normal((1, 3), dtype=np.float32)).requires_grad_()
        return learner.make_batch([0], rng, latent)

    def latent(self, policy, replays, task_index, rng):
        return torch.from_numpy(rng.standard_normal((len(task_index), 3), dtype=np.float32))


def test_a_latent_reaches_every_depth(ball, demos, tiny):
    envs = ball()
    agent = make(envs, replace(tiny, latent_size=3, cached_targets=False), sampler=Prior())
    agent.add_demonstrations(demos(1))
    for _ in range(3):
        agent.update()
    agent.collect(envs, 4)
    for network in agent.policy.depths:
        assert network.encoder["latent"].weight.grad.abs().sum() > 0
    mean, variance = agent.policy.factors([agent.replays[0].recent(3, 10, np.random.default_rng(0))] * 2)
    assert mean.shape == variance.shape == (6, 3)
    assert (variance > 0).all()
    policy, again = agent.frozen_policy(), agent.frozen_policy()
    obs, _ = envs.reset(seed=1)
    rngs = [np.random.default_rng(i) for i in range(2)]
    state = policy.act(obs, policy.initial_state(2), np.ones(2, bool), rngs)[1]
    assert torch.equal(again.act(obs, state, np.zeros(2, bool), rngs)[1], state)


def test_a_latent_that_nobody_gives_is_missed(ball, demos, tiny):
    envs = ball()
    agent = make(envs, replace(tiny, latent_size=3, cached_targets=False))
    agent.add_demonstrations(demos(1))
    for play in (lambda: agent.collect(envs, 1), agent.update):
        with pytest.raises(ValueError, match="latent_size=3 and got no latent: use a sampler that gives one"):
            play()


def test_the_authors_latent_is_trained_by_the_first_depth_alone(ball, demos, tiny):
    """Detached, its gradient is that of the first depth; else the second's comes to it."""
    gradients = {}
    for detached in (False, True):
        config = replace(tiny, latent_size=3, cached_targets=False, detach_latent=detached)
        agent = make(ball(), config)
        agent.add_demonstrations(demos(1))
        for depth in agent.policy.depths:
            torch.nn.init.ones_(depth.head["translation"].weight)
        for silent in ("none", "first"):
            if silent == "first":
                torch.nn.init.zeros_(agent.policy.depths[0].encoder["latent"].weight)
            latent = torch.ones(1, 3, requires_grad=True)
            batch = agent.make_batch([0], np.random.default_rng(0), latent)
            c2f_arm_loss(batch, torch.zeros(8, 2), agent.policy.networks, config, agent.eye)[0].backward()
            gradients[detached, silent] = latent.grad.abs().sum().item()
    assert gradients[False, "first"] > 0
    assert gradients[True, "first"] == 0
    assert gradients[True, "none"] > 0


def test_a_hooks_term_is_added_and_its_state_kept(ball, demos, tiny):
    class Pull(Hook):
        name = "pull"
        steps = 0

        def term(self, policy, batch):
            size = sum((parameter**2).sum() for parameter in policy.parameters())
            return 1e3 * size, {"size": size.detach()}

        def after_step(self):
            self.steps += 1

        def state_dict(self):
            return {"steps": self.steps}

        def load_state_dict(self, state):
            self.steps = state["steps"]

    hook, loaded = Pull(), Pull()
    plain, pulled = make(ball(), tiny), make(ball(), tiny, hooks=(hook,))
    for agent in (plain, pulled):
        agent.add_demonstrations(demos(1))
        for _ in range(5):
            metrics = agent.update()
    size = [sum((w**2).sum() for w in agent.weights().values()) for agent in (plain, pulled)]
    assert size[1] < size[0]
    assert metrics["pull/size"] > 0
    other = make(ball(), tiny, hooks=(loaded,))
    other.load_state_dict(pulled.state_dict())
    assert loaded.steps == 5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", math.inf),
        ("learning_rate", math.nan),
        ("batch_size", 1.5),
        ("grid_sizes", (10, 16)),
        ("half_sides", (0.15, 0.1)),
        ("cameras", ()),
        ("quirks", ("hurry",)),
        ("network", "resnet"),
        ("shift", (0.1, math.nan, 0.1)),
        ("workspace", (0, 0, 0, 1, 1, 0)),
        ("target_tau", 0.5),
        ("low_dim", ("gripper_pose",)),
        ("low_dim", ("time", "time")),
        ("low_dim", "time"),
        ("cameras", "front"),
        ("yaw_centre", (0.2, math.nan)),
        ("yaw_centre", (0.2,)),
        ("half_sides", (math.nan,)),
        ("bounds", (-math.inf, -0.5, 0.6, 0.7, 0.5, 1.6)),
        ("workspace", (-0.3, -0.5, 0.75, 0.7, 0.5, math.inf)),
        ("workspace", 1.0),
        ("grid_sizes", (16.0, 16)),
        ("shift", None),
        ("tasks_per_batch", True),
        ("discount", "0.9"),
        ("learning_rate", None),
        ("learning_rate", True),
    ],
)
def test_configs_check_themselves(field, value):
    with pytest.raises(ValueError, match=field):
        replace(CPU, **{field: value})


def test_presets_have_arms_shapes_and_ours():
    assert UPSTREAM.num_values == RECOMMENDED.num_values == 218
    assert UPSTREAM.channels == 64
    assert C2FARMConfig().quirks == ()
    rates = [CPU.learning_rate_at(update) for update in (0, 600, 900, 1_200, 9_000)]
    np.testing.assert_allclose(rates, [4e-3, 4e-3, 2.2e-3, 4e-4, 4e-4])


def test_a_replay_that_is_too_small(ball, tiny):
    envs = ball()
    agent = make(envs, replace(tiny, replay_capacity=8))
    with pytest.raises(ValueError, match="raise replay_capacity so that each task has"):
        agent.collect(envs, 1)


def test_each_quirk_alone_changes_what_is_learned(ball, demos, tiny, monkeypatch):
    monkeypatch.setattr(scene, "CROP_PIXELS", 8)  # the ball's pictures are smaller than ARM's crop

    def learned(*quirks):
        envs = ball(num_envs=2)
        agent = make(envs, replace(tiny, quirks=quirks))
        agent.add_demonstrations(demos(1))
        agent.collect(envs, 4)
        for _ in range(25):
            agent.update()
        return torch.cat([weight.flatten() for weight in agent.weights().values()])

    plain = learned()
    assert torch.equal(plain, learned())
    assert [quirk for quirk in QUIRKS if torch.equal(plain, learned(quirk))] == []


@pytest.mark.parametrize("network", ["patch", "upstream"])
def test_bfloat16_on_a_cpu_learns_or_says_why_it_cannot(ball, demos, tiny, network, monkeypatch):
    config = replace(tiny, network=network, channels=8, cpu_bfloat16=True, batch_size=4)
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        agents = [make(ball(), replace(config, cpu_bfloat16=lower)) for lower in (False, True)]
        for agent in agents:
            agent.add_demonstrations(demos(1))
        exact, near = (agent.update()["loss"] for agent in agents)
        assert near == pytest.approx(exact, rel=0.03)
        ours, theirs = (agent.weights() for agent in agents)
        assert any(not torch.equal(ours[name], theirs[name]) for name in ours)
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    with pytest.raises(ValueError, match="cpu_bfloat16 asks for bfloat16, and this CPU has no instructions"):
        make(ball(), config)


def test_what_is_for_a_gpu_is_left_alone_on_a_cpu(ball, demos, tiny):
    """The study's preset paper asks for both."""
    agents = [make(ball(), replace(tiny, autocast=on, compile=on)) for on in (False, True)]
    for agent in agents:
        agent.add_demonstrations(demos(1))
    assert agents[0].update() == agents[1].update()
