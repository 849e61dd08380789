"""The picture sheet and the films of docs/manipulation.md.

    OMP_NUM_THREADS=1 uv run python benchmarks/manipulation_pictures.py [--tasks push_button] [--no-sheet]

Writes docs/images/manipulation.png, a row for each task and a column for each camera, and a GIF of a
demonstration of each task. Needs Pillow, which matplotlib brings.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from fvm_envs.manipulation import raycast
from fvm_envs.manipulation.demos import get_demos
from fvm_envs.manipulation.scene import CAMERAS
from fvm_envs.manipulation.simulator import Simulator
from fvm_envs.manipulation.tasks import TASKS
from PIL import Image, ImageDraw

FOLDER = Path(__file__).parent.parent / "docs" / "images"
SIDE, HEADER, LABEL = 160, 24, 18
FROM_BEHIND = ("open_door", "open_drawer", "close_drawer")
"""Tasks whose front the front camera does not see: filmed over the left shoulder."""
ZOOM, CUTS = 0.62, {"front": (0.19, 0.3), "left_shoulder": (0.03, 0.2)}
"""Share of the picture that a film shows, and where its upper left corner is."""
VARIATIONS = {"push_button": 3, "pick_up_cup": 6, "reach_target": 3, "open_drawer": 2, "pick_and_lift": 4}
SEED = 6


def frame(simulator: Simulator, camera: str, side: int) -> Image.Image:
    """A picture at twice the resolution, with shadows, made smaller."""
    picture = raycast.render(simulator.world, camera, (2 * side, 2 * side), shadows=True)
    return Image.fromarray(picture.rgb).resize((side, side), Image.Resampling.LANCZOS)


def sheet(simulator: Simulator) -> Image.Image:
    """The cameras' names, then for each task its name and a row of pictures of its start."""
    out = Image.new("RGB", (SIDE * len(CAMERAS), HEADER + (SIDE + LABEL) * len(TASKS)), "white")
    draw = ImageDraw.Draw(out)
    for column, camera in enumerate(CAMERAS):
        draw.text((SIDE * (column + 0.5), 0.5 * HEADER), camera, fill="black", anchor="mm", font_size=14)
    for row, name in enumerate(TASKS):
        demo = get_demos(name, 1, SEED, variation=VARIATIONS.get(name, 0), simulator=simulator)[0]
        simulator.stage(TASKS[name], demo.qpos[0], demo.mocap, demo.colours[0])
        top = HEADER + (SIDE + LABEL) * row
        draw.text((3, top + 0.5 * LABEL), name, fill="black", anchor="lm", font_size=12)
        for column, camera in enumerate(CAMERAS):
            out.paste(frame(simulator, camera, SIDE), (SIDE * column, top + LABEL))
    return out


def film(simulator: Simulator, name: str, side: int = 176) -> list[Image.Image]:
    """Every other frame of a demonstration, the workspace cut out, in 128 colours."""
    demo = get_demos(name, 1, SEED, variation=VARIATIONS.get(name, 0), simulator=simulator)[0]
    camera = "left_shoulder" if name in FROM_BEHIND else "front"
    frames = []
    for i in [*range(0, len(demo), 2), len(demo) - 1]:
        simulator.stage(TASKS[name], demo.qpos[i], demo.mocap, demo.colours[int(i >= demo.solved)])
        large = frame(simulator, camera, round(side / ZOOM))
        left, top = (round(large.width * part) for part in CUTS[camera])
        frames.append(large.crop((left, top, left + side, top + side)))
    ends = Image.new("RGB", (2 * side, side))
    ends.paste(frames[0], (0, 0))
    ends.paste(frames[-1], (side, 0))
    # Median cut would give the small bright things away for shades of the wall.
    palette = ends.quantize(128, method=Image.Quantize.MAXCOVERAGE)
    return [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in frames]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--no-sheet", action="store_true")
    arguments = parser.parse_args()
    simulator = Simulator()
    folder = FOLDER / "manipulation"
    folder.mkdir(parents=True, exist_ok=True)
    if not arguments.no_sheet:
        sheet(simulator).save(FOLDER / "manipulation.png", optimize=True)
    for name in arguments.tasks.split(","):
        frames = film(simulator, name)
        durations = np.full(len(frames), 120)
        durations[-1] = 1500
        frames[0].save(
            folder / f"{name}.gif",
            save_all=True,
            append_images=frames[1:],
            duration=durations.tolist(),
            loop=0,
            optimize=True,
        )
        print(name, len(frames), f"{(folder / f'{name}.gif').stat().st_size / 1024:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
