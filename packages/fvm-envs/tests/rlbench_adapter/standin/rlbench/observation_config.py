from pyrep.const import RenderMode

CAMERAS = ("left_shoulder", "right_shoulder", "overhead", "wrist", "front")


class CameraConfig:
    def __init__(
        self,
        rgb=True,
        rgb_noise=None,
        depth=True,
        depth_noise=None,
        point_cloud=True,
        mask=True,
        image_size=(128, 128),
        render_mode=RenderMode.OPENGL3,
        masks_as_one_channel=True,
        depth_in_meters=False,
    ):
        if len(image_size) != 2 or not isinstance(render_mode, RenderMode):
            raise ValueError("image_size is (width, height), render_mode a RenderMode")
        self.rgb, self.depth, self.point_cloud, self.mask = rgb, depth, point_cloud, mask
        self.image_size, self.render_mode, self.depth_in_meters = image_size, render_mode, depth_in_meters

    def set_all(self, value):
        self.rgb = self.depth = self.point_cloud = self.mask = value


class ObservationConfig:
    def __init__(self):
        for camera in CAMERAS:
            setattr(self, f"{camera}_camera", CameraConfig())
        self.set_all_low_dim(True)

    def set_all(self, value):
        for camera in CAMERAS:
            getattr(self, f"{camera}_camera").set_all(value)
        self.set_all_low_dim(value)

    def set_all_low_dim(self, value):
        self.joint_velocities = self.joint_positions = self.joint_forces = value
        self.gripper_open = self.gripper_pose = self.gripper_matrix = value
        self.gripper_joint_positions = self.gripper_touch_forces = self.task_low_dim_state = value
