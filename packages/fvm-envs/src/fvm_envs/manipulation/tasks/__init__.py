"""The tasks by RLBench's names, one file each."""

from fvm_envs.manipulation.task import ManipulationTask
from fvm_envs.manipulation.tasks.close_drawer import CloseDrawer
from fvm_envs.manipulation.tasks.lamp_on import LampOn
from fvm_envs.manipulation.tasks.open_door import OpenDoor
from fvm_envs.manipulation.tasks.open_drawer import OpenDrawer
from fvm_envs.manipulation.tasks.phone_on_base import PhoneOnBase
from fvm_envs.manipulation.tasks.pick_and_lift import PickAndLift
from fvm_envs.manipulation.tasks.pick_up_cup import PickUpCup
from fvm_envs.manipulation.tasks.push_button import PushButton
from fvm_envs.manipulation.tasks.put_rubbish_in_bin import PutRubbishInBin
from fvm_envs.manipulation.tasks.reach_target import ReachTarget
from fvm_envs.manipulation.tasks.slide_block_to_target import SlideBlockToTarget
from fvm_envs.manipulation.tasks.stack_wine import StackWine
from fvm_envs.manipulation.tasks.take_lid_off_saucepan import TakeLidOffSaucepan
from fvm_envs.manipulation.tasks.take_umbrella_out_of_umbrella_stand import TakeUmbrellaOutOfUmbrellaStand
from fvm_envs.manipulation.tasks.take_usb_out_of_computer import TakeUsbOutOfComputer
from fvm_envs.manipulation.tasks.turn_tap import TurnTap

STUDY: tuple[ManipulationTask, ...] = (
    PushButton(),
    TakeLidOffSaucepan(),
    LampOn(),
    PickUpCup(),
    PickAndLift(),
    PhoneOnBase(),
    StackWine(),
    OpenDoor(),
    TakeUsbOutOfComputer(),
    PutRubbishInBin(),
    ReachTarget(),
)
"""The eleven of the study, its five test tasks first."""
EXTRA: tuple[ManipulationTask, ...] = (
    CloseDrawer(),
    OpenDrawer(),
    SlideBlockToTarget(),
    TurnTap(),
    TakeUmbrellaOutOfUmbrellaStand(),
)
"""Five more."""
TASKS: dict[str, ManipulationTask] = {task.name: task for task in (*STUDY, *EXTRA)}
"""All tasks by name."""
