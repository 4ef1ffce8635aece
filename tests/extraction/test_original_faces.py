"""The original's finder. Its weights are not at hand: here simple functions that can be computed stand for the two
networks, on frames whose colours say where a pixel is. The whole networks run once, with random weights.
"""

import json

import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.extraction.original_faces import S3fdFan, open_s3fd, turned_back
from dfl.faces.face_type import FaceType
from tests.recorded import RECORDS

STRIDES = (4, 8, 16, 32, 64, 128)
FACE = (80, 70, 180, 170)  # left, top, right, bottom: what the stand-in for S3FD sees


@pytest.fixture(scope="module")
def landmarks():
    """A real face's landmarks, brought into FACE."""
    sets = json.loads((RECORDS / "alignment.json").read_text())["sets"]
    points = np.array(sets[4]["landmarks"], np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - low) / (high - low).max() * 90 + (85, 78)


def map_frame(height=256, width=256):
    """A frame whose red is x and whose green is y; full blue tells it from the black around it."""
    frame = np.full((height, width, 3), 255, np.uint8)
    frame[..., 2] = np.arange(width)
    frame[..., 1] = np.arange(height)[:, None]
    return frame


def seen_by(picture, x, y):
    """The pixel of an RGB picture that shows the frame's pixel (x, y)."""
    miss = np.abs(picture[..., 0] - x) + np.abs(picture[..., 1] - y)
    row, column = np.unravel_index(miss.argmin(), miss.shape)
    return float(column), float(row)


class Detector:
    """Sees faces in upright pictures only: red grows to the right and green downwards."""

    def __init__(self, *faces, in_second_pass=True):
        self.faces = faces
        self.in_second_pass = in_second_pass
        self.batches = []

    def __call__(self, pictures):
        self.batches.append(pictures.shape)
        maps = []
        for stride in STRIDES:
            shape = [len(pictures), *(max(1, side // stride) for side in pictures.shape[1:3])]
            share = np.zeros((*shape, 2), np.float32)
            share[..., 0] = 1
            maps += [share, np.zeros((*shape, 4), np.float32)]
        if len(self.batches) > 1 and pictures.shape[1:3] == (128, 128) and not self.in_second_pass:
            return tuple(maps)
        for number, picture in enumerate(pictures):
            right = np.diff(picture[..., 0], axis=1)
            down = np.diff(picture[..., 1], axis=0)
            if right.mean() > 0 and down.mean() > 0:
                for face in self.faces:
                    self._put(maps, number, picture, face, right.max())
        return tuple(maps)

    def _put(self, maps, number, picture, face, step):
        """A box around the face's middle at stride 16, of its size in this picture."""
        left, top, right, bottom = face
        x, y = seen_by(picture, (left + right) / 2, (top + bottom) / 2)
        row, column = int(y // 16), int(x // 16)
        maps[4][number, row, column] = (0.1, 0.9)
        size = (right - left) / step
        centre = (x - column * 16 - 8, y - row * 16 - 8)
        maps[5][number, row, column] = (*(shift / 6.4 for shift in centre), *[np.log(size / 64) / 0.2] * 2)


class Landmarks:
    """Heat maps that are highest where the colours say that the landmark is."""

    def __init__(self, points):
        self.points = points
        self.batches = []

    def __call__(self, faces):
        assert faces.max() <= 1
        self.batches.append(len(faces))
        cells = faces.reshape(len(faces), 64, 4, 64, 4, 3).mean(axis=(2, 4)) * 255
        x, y = cells[..., 0, None], cells[..., 1, None]
        heat = -((x - self.points[:, 0]) ** 2) - (y - self.points[:, 1]) ** 2
        return (np.where(cells[..., 2, None] > 254, heat, -1e6),)


def test_a_face_is_found_where_it_is(landmarks):
    detector, network = Detector(FACE), Landmarks(landmarks)
    (face,) = S3fdFan(detector, network).find(map_frame())
    assert face.box == pytest.approx([80, 70, 180, 180], abs=6)  # with the chin's tenth
    assert face.confidence == pytest.approx(0.9)
    assert face.landmarks.dtype == np.float32
    assert np.abs(face.landmarks - landmarks).max() < 1
    assert np.abs(face.landmarks - landmarks).mean() < 0.4
    assert detector.batches == [(1, 128, 128, 3), (1, 128, 128, 3)]
    assert network.batches == [1, 5]


def test_the_second_pass_makes_landmarks_better(landmarks):
    (both,) = S3fdFan(Detector(FACE), Landmarks(landmarks)).find(map_frame())
    network = Landmarks(landmarks)
    (first,) = S3fdFan(Detector(FACE, in_second_pass=False), network).find(map_frame())
    assert network.batches == [1]
    assert np.abs(both.landmarks - landmarks).mean() < 0.7 * np.abs(first.landmarks - landmarks).mean() < 1


@pytest.mark.parametrize(
    ("turn", "tries"),
    [(cv2.ROTATE_90_COUNTERCLOCKWISE, 2), (cv2.ROTATE_90_CLOCKWISE, 3), (cv2.ROTATE_180, 4)],
)
def test_turned_faces_are_found_in_the_originals_order(landmarks, turn, tries):
    upright = map_frame(200, 250)
    frame = cv2.rotate(upright, turn)
    detector = Detector(FACE)
    (face,) = S3fdFan(detector, Landmarks(landmarks)).find(frame)
    assert len(detector.batches) == tries + 1
    wanted = np.array([seen_by(frame[..., ::-1].astype(float), *np.round(point)) for point in landmarks])
    assert np.abs(face.landmarks - wanted).max() < 1.5  # half a pixel is the rounding of what is wanted
    assert np.abs((face.landmarks - wanted).mean(axis=0)).max() < 0.5  # not a pixel off, as the original's are
    left, top, right, bottom = face.box
    assert left < wanted[:, 0].min() < wanted[:, 0].max() < right
    assert top < wanted[:, 1].min() < wanted[:, 1].max() < bottom


def test_turned_points_come_back_to_their_pixels():
    frame = np.arange(5 * 7).reshape(5, 7)
    for turn in range(4):
        turned = np.rot90(frame, -turn)
        rows, columns = np.indices(turned.shape)
        back = turned_back(np.stack([columns.ravel(), rows.ravel()], axis=-1), turn, width=7, height=5).astype(int)
        assert np.array_equal(frame[back[:, 1], back[:, 0]], turned.ravel())


def test_two_faces_come_largest_first_and_the_second_pass_wants_one(landmarks):
    small = (20, 190, 80, 250)
    network = Landmarks(landmarks)
    faces = S3fdFan(Detector(small, FACE), network).find(map_frame())
    assert [round(float(face.box[2] - face.box[0]), -1) for face in faces] == [100, 60]
    # The first face's upright picture shows the other one too, so only first looks count.
    assert network.batches[0] == 2


def test_no_more_faces_than_wanted_are_looked_at(landmarks):
    network = Landmarks(landmarks)
    (face,) = S3fdFan(Detector((20, 190, 80, 250), FACE), network, max_faces=1).find(map_frame())
    assert face.box[0] == pytest.approx(80, abs=6)
    assert network.batches[0] == 1


def test_a_frame_without_a_face_is_looked_at_from_four_sides(landmarks):
    detector = Detector()
    assert S3fdFan(detector, Landmarks(landmarks)).find(map_frame(130, 250)) == []
    assert [shape[1:3] for shape in detector.batches] == [(65, 125), (125, 65), (125, 65), (65, 125)]


@pytest.mark.parametrize(("height", "width", "looks"), [(127, 400, 0), (400, 129, 4), (128, 128, 4), (129, 127, 0)])
def test_tiny_frames_have_no_faces(height, width, looks):
    detector = Detector()
    assert S3fdFan(detector, Landmarks(np.zeros((68, 2)))).find(np.zeros((height, width, 3), np.uint8)) == []
    assert len(detector.batches) == looks


def test_odd_sides_lose_their_last_pixel(landmarks):
    detector = Detector(FACE)
    found = [S3fdFan(detector, Landmarks(landmarks)).find(frame)[0] for frame in (map_frame(), map_frame()[:-1, :-1])]
    even = S3fdFan(detector, Landmarks(landmarks)).find(map_frame()[:-2, :-2])[0]
    assert np.array_equal(found[1].landmarks, even.landmarks)


def test_landmarks_in_one_point_keep_the_first_pass():
    network = Landmarks(np.full((68, 2), 120.0))
    (face,) = S3fdFan(Detector(FACE), network).find(map_frame())
    assert network.batches == [1]
    assert np.abs(face.landmarks - 120).max() < 3


@pytest.fixture
def weights_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DFL_WEIGHTS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("face_type", "name"), [(FaceType.WHOLE, "2DFAN"), (FaceType.HEAD, "3DFAN")])
def test_without_weights_the_way_to_get_them_is_told(weights_folder, face_type, name):
    with pytest.raises(UserError, match=r"S3FD\.safetensors") as caught:
        open_s3fd(Report(), face_type)
    assert "dfl import weights FOLDER" in caught.value.todo
    (weights_folder / "S3FD.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=rf"{name}\.safetensors"):
        open_s3fd(Report(), face_type)


@pytest.mark.slow
def test_the_whole_networks_run_with_weights_of_the_weights_folder(weights_folder, capsys):
    from dfl.models.engine import start_engine

    start_engine("tensorflow")
    from dfl.models.face_weights import build_face_network, save_face_network
    from dfl.nets.layers import named_weights

    for name in ("S3FD", "2DFAN"):
        arrays = {key: np.asarray(weight) for key, weight in named_weights(build_face_network(name)).items()}
        for key in arrays:
            if key.endswith("mbox_conf/weight"):
                arrays[key] = np.zeros_like(arrays[key])
            if key.endswith("mbox_conf/bias"):  # every cell of stride 64, and no other, is a face
                arrays[key] = np.eye(len(arrays[key]), dtype=np.float32)[-1 if key.startswith("conv6_2") else 0] * 5
            if key.endswith("mbox_loc/weight"):
                arrays[key] = np.zeros_like(arrays[key])
        save_face_network(name, arrays)
    frame = np.random.default_rng(1).integers(0, 256, (300, 400, 3)).astype(np.uint8)
    finder = open_s3fd(Report(), max_faces=1)
    assert "Engine: tensorflow" in capsys.readouterr().out
    (face,) = finder.find(frame)
    # 200 x 150 pixels for the network, the first cell's prior of 256 around (32, 32), doubled, and the chin.
    assert face.box.tolist() == [-192, -192, 320, 371]
    assert face.confidence == pytest.approx(1 / (1 + np.exp(-5)), abs=1e-5)
    assert face.landmarks.shape == (68, 2)
    assert np.isfinite(face.landmarks).all()
