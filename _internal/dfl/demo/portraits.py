"""The demo's two people: one portrait of each, in the public domain (sources in NOTICE)."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dfl.base.errors import UserError
from dfl.base.pictures import Picture, read_picture
from dfl.demo.expression import Mesh
from dfl.faces.blaze import Detector
from dfl.faces.mesh import MARGIN, open_mesh_v1
from dfl.faces.square import Square, whole_frame
from dfl.faces.weights import package_file

PORTRAITS = Path(__file__).with_name("portraits")


@dataclass(frozen=True)
class Portrait:
    """A person's portrait, which square of it is shown, and what is theirs in a clip."""

    name: str
    portrait: Path
    left: int  # of the square, in the picture's pixels
    top: int
    size: int
    beat: float  # pace of the motion, see motion.pose_at
    lowest_hertz: float  # of the sound


COLLINS = Portrait("Eileen Collins (NASA)", PORTRAITS / "collins.jpg", 64, 0, 320, 1.0, 220.0)
HOPPER = Portrait("Grace Hopper (US Navy)", PORTRAITS / "hopper.jpg", 0, 0, 512, 0.9, 330.0)


def still(person: Portrait, size: int) -> tuple[Picture, Mesh]:
    """The person's square as (size, size, 3) uint8 BGR, and the mesh of the face in its pixels."""
    picture = read_picture(person.portrait)
    found = Detector(package_file("face_detection_back.tflite")).find(picture, whole_frame(picture), 0.5)
    if not found:
        raise UserError(f"No face is found in {person.portrait}.", "Put back that file as it came with the program.")
    square = found[0].square
    start = Square(square.x, square.y, square.size * MARGIN, square.roll)
    mesh = open_mesh_v1(package_file("face_landmark.tflite")).refine(picture, start, 3)
    part = picture[person.top : person.top + person.size, person.left : person.left + person.size]
    scale = size / person.size
    # Pixel centres are whole numbers: hence the halves.
    points = (mesh.points - (person.left, person.top) + 0.5) * scale - 0.5
    enlarged: Picture = cv2.resize(part, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    return enlarged, np.concatenate([points, mesh.depth[:, None] * scale], axis=1).astype(np.float32)
