"""Orders are the recorded ones, and no way to end a run loses a picture."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import Picture, encode_picture, write_picture
from dfl.base.report import Report
from dfl.face_analysis.best_faces import best_faces
from dfl.face_analysis.histograms import chain_of_similar, sums_of_distances
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import FaceMetadata, read_metadata, write_face
from dfl.faceset.faceset import list_faceset
from dfl.faceset.sidecar import SidecarEntry, add_to_index
from dfl.faceset.trash import restore
from dfl.faceset_tools import sort
from dfl.faceset_tools.options import SortOptions
from dfl.workspace import Workspace
from tests.faceset_fixtures import KillAtEvery
from tests.recorded import RECORDS

RECORD = RECORDS / "sorting.npz"
# The original's names of methods in the records.
RECORDED = {
    "blur": "blur",
    "motion-blur": "motion_blur",
    "face-yaw": "face_yaw",
    "face-pitch": "face_pitch",
    "face-source-rect-size": "face_source_rect_size",
    "hist": "hist",
    "hist-dissim": "hist_dissim",
    "brightness": "brightness",
    "hue": "hue",
    "black": "black",
    "origname": "origname",
    "oneface": "oneface_in_image",
    "absdiff": "absdiff",
    "final": "best",
    "final-fast": "best_faster",
}


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    """The original's sorting of 40 faces: histograms, values, orders."""
    with np.load(RECORD) as arrays:
        return dict(arrays)


def test_orders_by_histograms_are_the_recorded_ones(record: dict[str, Any]) -> None:
    chain = chain_of_similar(record["histogram"].astype(np.uint32), Report())
    assert chain == record["order_hist"].tolist()
    sums = sums_of_distances(record["grey_histogram"].astype(np.uint32), Report())
    assert sums == pytest.approx(record["values_hist_dissim"], rel=1e-3)
    assert np.argsort(-sums, kind="stable").tolist() == record["order_hist_dissim"].tolist()


@pytest.mark.parametrize(("name", "quality"), [("best", "blur"), ("best_faster", "face_source_rect_size")])
def test_the_best_faces_are_the_recorded_ones(record: dict[str, Any], name: str, quality: str) -> None:
    poses = np.stack([record["values_face_pitch"], record["values_face_yaw"]], axis=1)
    kept, trash = best_faces(poses, record[f"values_{quality}"], 200)
    assert kept == record[f"order_{name}"].tolist()
    assert trash == record[f"trash_{name}"].tolist()


def _sorted(workspace: Workspace, side: str = "src", **options: Any) -> list[str]:
    """Sort, and say from which frames the pictures are, in the new order of their names."""
    sort.run(workspace, SortOptions(side=side, **options), Report())
    return _frames(workspace.aligned("dst" if side == "dst" else "src"))


def _frames(folder: Path) -> list[str]:
    metadata = [read_metadata(path.read_bytes(), path.name) for path in sorted(folder.glob("*.jpg"))]
    return [one.source_filename if one else "" for one in metadata]


@pytest.mark.parametrize("by", RECORDED)
def test_whole_runs_give_the_recorded_order(by: str, shared: Path, workspace: Workspace) -> None:
    expected = json.loads((shared / "original" / "sort" / "expected.json").read_text())[RECORDED[by]]
    aligned = workspace.aligned("src")
    shutil.copytree(shared / "original" / "sort" / "faces", aligned, dirs_exist_ok=True)
    before = {path.name: path.read_bytes() for path in aligned.glob("*.jpg")}
    sort.run(workspace, SortOptions(side="src", by=by, target=200), Report())
    after = [path.read_bytes() for path in sorted(aligned.glob("*.jpg"))]
    assert after == [before[name] for name in expected["order"]]
    assert [path.name for path in sorted(aligned.glob("*.jpg"))] == [f"{n:05d}.jpg" for n in range(len(after))]
    trash = workspace.aligned_trash("src")
    assert {path.name for path in trash.glob("*.jpg")} == set(expected["trash"])


def _picture(number: int, contrast: float = 2.0) -> Picture:
    noise = cv2.GaussianBlur(np.random.default_rng(number).uniform(0, 255, (128, 128, 3)), (0, 0), 1.2)
    return np.clip((noise - 127) * contrast + 60 + 13 * (number % 10), 0, 255).astype(np.uint8)


def _metadata(number: int, scale: float = 1.0) -> FaceMetadata:
    """Of a frame of that number; the higher, the further the face is turned."""
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    landmarks = np.stack([200 + 60 * np.cos(angles) + number * np.cos(2 * angles), 200 + 70 * np.sin(angles)], axis=1)
    landmarks = (landmarks * scale).astype(np.float32)
    matrix = alignment_matrix(landmarks, 128, FaceType.WHOLE)
    return FaceMetadata(
        face_type=FaceType.WHOLE,
        landmarks=transform_points(landmarks, matrix),
        source_filename=f"{number:05d}.png",
        source_rect=np.array([10, 10, 20 + number, 30], np.int32),
        source_landmarks=landmarks,
        image_to_face_mat=matrix,
    )


@pytest.fixture
def few(workspace: Workspace) -> Workspace:
    """Six faces of src, the names against the order of brightness."""
    for number in range(6):
        write_face(workspace.aligned("src") / f"{9 - number:05d}_0.jpg", _picture(number), _metadata(number))
    return workspace


def test_names_change_places_and_nothing_else(few: Workspace) -> None:
    aligned = few.aligned("src")
    for number, path in enumerate(sorted(aligned.glob("*.jpg"))):
        path.rename(aligned / f"{number:05d}.jpg")
    before = sorted(path.read_bytes() for path in aligned.glob("*.jpg"))
    assert _frames(aligned) == [f"{number:05d}.png" for number in (5, 4, 3, 2, 1, 0)]
    assert _sorted(few, by="origname") == [f"{number:05d}.png" for number in range(6)]
    assert sorted(path.read_bytes() for path in aligned.glob("*.jpg")) == before
    assert {path.suffix for path in aligned.iterdir()} <= {".jpg", ".sqlite3"}


def test_equal_faces_stay_in_the_order_of_their_names(workspace: Workspace) -> None:
    for number in (3, 1, 2, 0):
        metadata = replace(_metadata(1), source_filename=f"{number:05d}.png")
        write_face(workspace.aligned("src") / f"{number:05d}_0.jpg", _picture(1), metadata)
    for by in ("blur", "brightness", "hist", "hist-dissim", "absdiff", "black"):
        assert _sorted(workspace, by=by) == [f"{number:05d}.png" for number in range(4)], by


def test_pictures_that_cannot_be_measured_stay_and_are_last(few: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    aligned = few.aligned("src")
    write_picture(aligned / "00000_holiday.jpg", _picture(3))
    whole = (aligned / "00006_0.jpg").read_bytes()
    (aligned / "00006_0.jpg").write_bytes(whole[: len(whole) - 900])  # its header is whole
    (aligned / "00001_0.jpg").write_bytes(b"no picture")
    sort.run(few, SortOptions(side="src", by="brightness"), Report())
    assert [path.name for path in sorted(aligned.glob("*.jpg"))] == [f"{number:05d}.jpg" for number in range(8)]
    assert len((aligned / "00005.jpg").read_bytes()) == len(whole) - 900
    assert (aligned / "00007.jpg").read_bytes() == b"no picture"
    told = capsys.readouterr().out
    assert "00006_0.jpg" in told
    assert "00001_0.jpg" in told


def test_what_has_no_face_data_goes_to_the_trash_where_the_original_does_so(few: Workspace) -> None:
    aligned = few.aligned("src")
    write_picture(aligned / "00000_holiday.jpg", _picture(3))
    assert len(_sorted(few, by="face-yaw")) == 6
    assert (few.aligned_trash("src") / "00000_holiday.jpg").is_file()
    assert restore(aligned) == 1
    assert len(_sorted(few, by="hist")) == 7


def test_final_keeps_some_and_the_trash_gives_the_others_back(few: Workspace) -> None:
    aligned = few.aligned("src")
    for number in range(6, 30):
        write_face(aligned / f"{number:05d}_1.jpg", _picture(number), _metadata(5))
    assert len(_sorted(few, by="coverage", target=7)) == 7
    assert len(list(few.aligned_trash("src").glob("*.jpg"))) == 23
    assert restore(aligned) == 23
    assert len(_sorted(few, by="final", target=128)) < 30


def test_near_equal_faces_are_together_and_the_sharpest_can_stay_alone(workspace: Workspace) -> None:
    aligned = workspace.aligned("src")
    for number, shown in enumerate((1, 2, 3, 1, 2, 1)):
        picture = _picture(shown)
        if number in (1, 5):
            picture = cv2.GaussianBlur(picture, (0, 0), 1).astype(np.uint8)
        write_face(aligned / f"{number:05d}_0.jpg", picture, _metadata(number))
    assert _sorted(workspace, by="near-duplicates") == [f"{number:05d}.png" for number in (0, 3, 5, 4, 1, 2)]
    assert _sorted(workspace, by="near-duplicates", remove=True) == [f"{number:05d}.png" for number in (0, 4, 2)]
    assert len(list(workspace.aligned_trash("src").glob("*.jpg"))) == 3


def test_the_least_enlarged_faces_come_first(workspace: Workspace) -> None:
    for number, scale in enumerate((0.5, 2.0, 1.0)):
        write_face(workspace.aligned("src") / f"{number:05d}_0.jpg", _picture(number), _metadata(number, scale))
    assert _sorted(workspace, by="upscale") == ["00001.png", "00002.png", "00000.png"]


def test_faces_near_a_pose_of_dst_come_first(few: Workspace) -> None:
    with pytest.raises(UserError, match=r"no faces in .*data_dst"):
        _sorted(few, by="dst-poses")
    write_face(few.aligned("dst") / "00000_0.jpg", _picture(0), _metadata(3))
    assert _sorted(few, by="dst-poses")[0] == "00003.png"
    with pytest.raises(UserError, match="Sort src"):
        _sorted(few, side="dst", by="dst-poses")


def test_oneface_goes_by_names(few: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    aligned = few.aligned("src")
    write_face(aligned / "00007_1.jpg", _picture(7), _metadata(7))
    write_face(aligned / "00007_one.jpg", _picture(8), _metadata(8))
    assert _sorted(few, by="oneface") == [f"{number:05d}.png" for number in (5, 4, 3, 8, 1, 0)]
    with pytest.raises(UserError, match="recover-names"):
        _sorted(few, by="oneface")


def test_least_similar_faces_can_follow(few: Workspace) -> None:
    similar = _sorted(few, by="absdiff")
    assert _sorted(few, by="absdiff", similar=False) != similar


def test_faces_of_several_sizes_are_compared_small(few: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    write_face(few.aligned("src") / "00009_1.jpg", cv2.resize(_picture(5), (96, 96)).astype(np.uint8), _metadata(5))
    assert "00005.png 00005.png" in " ".join(_sorted(few, by="absdiff"))
    assert "32 x 32" in capsys.readouterr().out


def test_a_packed_or_empty_faceset_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="no faces"):
        _sorted(workspace)
    (workspace.aligned("src") / "faceset.pak").write_bytes(b"")
    with pytest.raises(UserError, match="unpack src"):
        _sorted(workspace)


def test_png_faces_keep_their_data(few: Workspace) -> None:
    aligned = few.aligned("src")
    for number in (6, 7):
        (aligned / f"{number:05d}_9.png").write_bytes(encode_picture(_picture(number), ".png"))
    entries = {f"{number:05d}_9.png": SidecarEntry(_metadata(number), (128, 128, 3)) for number in (6, 7)}
    add_to_index(aligned, entries)
    sort.run(few, SortOptions(side="src", by="origname"), Report())
    faces = list_faceset(aligned)
    assert [face.metadata.source_filename for face in faces] == [f"{number:05d}.png" for number in range(8)]
    assert [face.name for face in faces][-2:] == ["00006.png", "00007.png"]


@pytest.mark.slow
def test_a_killed_run_loses_nothing_and_is_finished_by_the_next(
    workspace: Workspace, kill_at_every: KillAtEvery
) -> None:
    aligned, trash = workspace.aligned("src"), workspace.aligned_trash("src")
    pictures = {}
    for number in (3, 0, 2, 1):
        path = aligned / f"{number:05d}_0.jpg"
        write_face(path, _picture(number), _metadata(20 * (number // 2)))
        pictures[path.name] = path.read_bytes()

    def prepare() -> None:
        shutil.rmtree(aligned)
        shutil.rmtree(trash, ignore_errors=True)
        aligned.mkdir()
        for name, content in pictures.items():
            (aligned / name).write_bytes(content)

    def work() -> None:
        sort.run(workspace, SortOptions(side="src", by="final-fast", target=128), Report())

    def check(operation: int) -> None:
        found = [path.read_bytes() for folder in (aligned, trash) for path in folder.rglob("*.jpg")]
        assert sorted(found) == sorted(pictures.values())
        work()
        left = sorted(path.name for path in aligned.glob("*.jpg"))
        assert left == [f"{number:05d}.jpg" for number in range(len(left))]
        assert len(left) + len(list(trash.glob("*.jpg"))) == 4

    assert kill_at_every(work, prepare, check) > 6


def test_the_main_person_comes_first_and_strangers_last(few: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(3)
    middles = random.normal(0, 0.12, (2, 128))
    people = [1, 0, 0, 2, 1, 0, 0, 1]  # 2: like nobody
    spread = [0.1, 0.3, 0.1, 0, 0.3, 0.0, 0.2, 0.2]
    away = random.normal(0, 1, (8, 128))
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    descriptors = np.array([middles[who % 2] + far * to for who, far, to in zip(people, spread, away, strict=True)])
    descriptors[3] += 1
    faces = list_faceset(few.aligned("src"))[:1] * 8
    options = SortOptions(side="src", by="identity")
    subject = sort._Subject(faces, {"descriptor": descriptors.astype(np.float32)}, options, few, Report())
    order, trash = sort._METHODS["identity"].order(subject)
    assert [people[index] for index in order] == [0, 0, 0, 0, 1, 1, 1, 2]
    assert order[3] == 1  # the least typical face of the first person
    assert trash == []
    assert "Person 1: 4 faces" in capsys.readouterr().out
