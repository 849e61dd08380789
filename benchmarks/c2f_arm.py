"""C2F-ARM's speed: voxels, an update at ARM's shapes, acting, and the `cpu` preset; where its time goes.

    uv run python benchmarks/c2f_arm.py [--rounds 3] [--batch-size 16] [--parts voxels cpu acting update]

Everything is timed in one run, rivals turn by turn, processor time of one thread, the least of all rounds.
The rival (`c2f_arm_rival.py`) is the same network as its authors' code computes it.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from c2f_arm_rival import RivalGrids, all_points, rivals, scattered
from fvm_envs import make_vec
from fvm_envs.manipulation import ObservationConfig, get_demos
from fvm_learners.c2f_arm import C2FARM, CPU, UPSTREAM, C2FARMConfig, Demonstration
from fvm_learners.c2f_arm import learner as learner_module
from fvm_learners.c2f_arm.acting import choose
from fvm_learners.c2f_arm.c2f_arm import c2f_arm_loss, next_values
from fvm_learners.c2f_arm.scene import low_corner, scene_of
from fvm_learners.c2f_arm.views import FIELDS, Eye, Views
from fvm_learners.c2f_arm.voxels import arm_grid, voxelise
from torch import Tensor

CAMERAS = ("front", "left_shoulder", "right_shoulder", "wrist")
CPU_DEVICE = torch.device("cpu")
NATIVE = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def least(rounds: int, **functions: Callable[[], object]) -> dict[str, float]:
    """The least processor seconds of each function, called turn by turn after one call unseen."""
    best = dict.fromkeys(functions, float("inf"))
    for turn in range(rounds + 1):
        for name, function in functions.items():
            start = time.process_time()
            function()
            if turn:
                best[name] = min(best[name], time.process_time() - start)
    return best


def seen(cameras: tuple[str, ...], batch_size: int) -> tuple[Views, Eye, C2FARMConfig]:
    envs = make_vec("rlbench/push_button", num_envs=4, seed=0, cameras=cameras, point_cloud=False)
    config = replace(UPSTREAM, cameras=cameras, quirks=())
    eye = Eye.of(envs.single_observation_space, config)
    views = eye.read(envs.reset(seed=0)[0])
    envs.close()
    times = -(-batch_size // 4)
    return (
        Views(*(np.concatenate([getattr(views, name)] * times)[:batch_size] for name in FIELDS)),
        eye,
        config,
    )


def measure_voxels(rounds: int, batch_size: int) -> None:
    print(
        f"\nVoxels of both depths, batch {batch_size}, 16^3, ms. The rival is given points in the world; ours"
    )
    print("works them out from depth and leaves out those beyond the bounds once for all depths (`points`).")
    for cameras in (CAMERAS[:1], CAMERAS):
        print(f"  {len(cameras)} cameras: {_voxels(cameras, rounds, batch_size)}")


def _voxels(cameras: tuple[str, ...], rounds: int, batch_size: int) -> str:
    views, eye, config = seen(cameras, batch_size)
    points, colours = all_points(views, eye)
    scene = scene_of(views, eye, config, CPU_DEVICE)
    centre = torch.tensor([[0.25, 0.0, 0.8]]).repeat(batch_size, 1)
    corners = [low_corner(config, depth, centre) for depth in (0, 1)]

    def theirs(depth: int) -> Tensor:
        return scattered(points, colours, *corners[depth], 16)

    def ours(depth: int) -> Tensor:
        return arm_grid(voxelise(scene.cloud, *corners[depth], 16))

    far = max((theirs(d) - ours(d).permute(0, 4, 1, 2, 3)).abs().max().item() for d in (0, 1))
    best = least(
        rounds,
        theirs=lambda: (theirs(0), theirs(1)),
        ours=lambda: (ours(0), ours(1)),
        points=lambda: scene_of(views, eye, config, CPU_DEVICE),
    )
    grids, whole = best["theirs"] / best["ours"], best["theirs"] / (best["ours"] + best["points"])
    return (
        f"rival {best['theirs'] * 1e3:.1f}, ours {best['ours'] * 1e3:.1f}, ratio {grids:.1f}; points "
        f"{best['points'] * 1e3:.1f}, ratio with them {whole:.1f}; largest difference {far:.0e}"
    )


def agent_of(config: C2FARMConfig, device: str = "cpu") -> C2FARM:
    envs = make_vec("rlbench/push_button", num_envs=1, seed=0, point_cloud=False)
    agent = C2FARM(envs.single_observation_space, envs.single_action_space, config, seed=0, device=device)
    pictures = ObservationConfig(point_cloud=False)
    agent.add_demonstrations(
        [
            Demonstration.of(demo)
            for demo in get_demos("push_button", 3, seed=0, keyframes="merged", config=pictures)
        ]
    )
    envs.close()
    return agent


def measure_update(rounds: int, batch_size: int) -> None:
    config = replace(
        UPSTREAM, batch_size=batch_size, quirks=(), max_grad_value=None, max_grad_norm=1.0, learn_start=0
    )
    agent = agent_of(config)
    rng = np.random.default_rng(0)
    batch = agent.make_batch([0], rng)
    waiting = len(batch.next_rows)
    plain, plain_target = rivals(agent)
    parameters = [p for net in plain for p in net.parameters()]
    adam = torch.optim.Adam(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    everything = Views(*(getattr(agent.replays[0].views(np.zeros(batch_size, dtype=int)), n) for n in FIELDS))
    following = scene_of(everything, agent.eye, config, CPU_DEVICE)

    def theirs() -> None:
        with RivalGrids(agent):
            values = next_values(following, plain, plain_target, config, agent.eye)
            loss, _, _ = c2f_arm_loss(batch, values, plain, config, agent.eye)
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_value_(parameters, 0.01)
            adam.step()
            with torch.no_grad():
                for net, own in zip(plain_target, plain, strict=True):
                    for one, two in zip(net.parameters(), own.parameters(), strict=True):
                        one.mul_(1 - 0.0025).add_(two, alpha=0.0025)

    class Same:
        def batch(self, learner: C2FARM, rng: np.random.Generator):
            return replace(batch, next_rows=self.rows, next_scene=self.scene)

    same = Same()
    agent.sampler = same
    lower = agent_of(replace(config, cpu_bfloat16=True)) if NATIVE else agent
    lower.sampler = same

    def ours(rows: Tensor, scene: object, learner: C2FARM = agent) -> Callable[[], object]:
        def run() -> None:
            same.rows, same.scene = rows, scene
            learner.update()

        return run

    every = torch.arange(batch_size)
    best = least(
        rounds,
        theirs=theirs,
        ours=ours(every, following),
        rows=ours(batch.next_rows, batch.next_scene),
        kept=ours(every[:0], None),
        lower=ours(every, following, lower),
    )
    print(f"\nOne update at ARM's shapes, batch {batch_size}, both depths, s")
    print(f"  rival, s' of all rows                      {best['theirs']:.2f}")
    for name, label in (
        ("ours", "ours, s' of all rows"),
        ("rows", f"ours, s' of the {waiting} rows not done"),
        ("kept", "ours, all V(s') kept (3 of 5 forwards)"),
        ("lower", f"ours, s' of all rows, bfloat16: {NATIVE}"),
    ):
        print(f"  {label:42s} {best[name]:.2f}  ratio {best['theirs'] / best[name]:.1f}")


def measure_acting(rounds: int) -> None:
    views, eye, config = seen(CAMERAS[:1], 1)
    agent = agent_of(replace(config, learn_start=0))
    plain, _ = rivals(agent)
    patch = agent_of(CPU)

    def theirs() -> None:
        with RivalGrids(agent):
            choose(plain, scene_of(views, eye, config, CPU_DEVICE), config, eye)

    best = least(
        rounds,
        theirs=theirs,
        ours=lambda: choose(agent.policy.networks, scene_of(views, eye, config, CPU_DEVICE), config, eye),
        beam=lambda: choose(
            patch.policy.networks, scene_of(views, patch.eye, CPU, CPU_DEVICE), CPU, patch.eye
        ),
    )
    print("\nActing, one observation, ms")
    print(
        f"  rival {best['theirs'] * 1e3:.0f}, ours {best['ours'] * 1e3:.0f}, ratio "
        f"{best['theirs'] / best['ours']:.1f}; `cpu` preset, beam of {CPU.beam}: {best['beam'] * 1e3:.1f}"
    )


def measure_cpu(rounds: int) -> None:
    agent = agent_of(CPU)
    for _ in range(60):
        agent.update()
    names = {"batch": "make_batch", "loss": "c2f_arm_loss", "next": "next_values", "clip": "clip_gradients"}
    spent = dict.fromkeys(names, 0.0)

    def timed(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def run(*args: object, **kwargs: object) -> object:
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent[name] += time.process_time() - start

        return run

    for name, function in names.items():
        setattr(learner_module, function, timed(name, getattr(learner_module, function)))
    best, parts = float("inf"), {}
    for _ in range(5 * rounds):
        spent.update(dict.fromkeys(spent, 0.0))
        start = time.process_time()
        for _ in range(10):
            agent.update()
        took = (time.process_time() - start) / 10
        if took < best:
            best, parts = took, {name: seconds * 100 for name, seconds in spent.items()}
    rest = best * 1e3 - sum(parts.values())
    print(f"\n`cpu` preset, batch {CPU.batch_size}: {1 / best:.1f} updates/s, {best * 1e3:.1f} ms")
    print(
        "  "
        + ", ".join(f"{name} {ms:.1f}" for name, ms in parts.items())
        + f", backward and Adam {rest:.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("voxels", "cpu", "acting", "update")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--parts", nargs="*", choices=parts, default=parts)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, {torch.backends.cpu.get_cpu_capability()}")
    if "voxels" in args.parts:
        measure_voxels(5 * args.rounds, args.batch_size)
    if "cpu" in args.parts:
        measure_cpu(args.rounds)
    if "acting" in args.parts:
        measure_acting(args.rounds)
    if "update" in args.parts:
        measure_update(args.rounds, args.batch_size)


if __name__ == "__main__":
    main()
