"""The stage enhance: stopped, started again, taken over. The whole network runs once, with random weights; elsewhere a
network that inverts its picture stands for it, as its weights are not at hand.
"""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.faceset.aligned_face import read_face
from dfl.faceset.faceset import list_faceset
from dfl.faceset.trash import restore
from dfl.faceset_tools.enhance import run
from dfl.faceset_tools.options import EnhanceOptions
from dfl.models import engine
from dfl.workspace import Workspace
from tests.faceset.made_faces import write_faces

SRC = EnhanceOptions(side="src")


@pytest.fixture
def weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("DFL_WEIGHTS", str(folder))
    return folder


class Inverter:
    """A network that inverts, four times as large; stops the run after `last` pictures."""

    def __init__(self) -> None:
        self.calls = 0
        self.last = 1000

    def __call__(self, patches: np.ndarray) -> tuple[np.ndarray]:
        if self.calls == self.last:
            raise KeyboardInterrupt
        self.calls += 1
        return (-patches.repeat(4, axis=1).repeat(4, axis=2),)


@pytest.fixture
def inverter(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Inverter:
    engine.start_engine("tensorflow")
    from dfl.models import face_enhancer

    (weights_folder / "FaceEnhancer.safetensors").touch()
    network = Inverter()
    monkeypatch.setattr(face_enhancer, "open_face_enhancer", lambda: face_enhancer.FaceEnhancer(network))
    return network


def brightness(folder: Path) -> list[int]:
    return [round(float(read_face(face.path).picture.mean())) for face in list_faceset(folder)]


def test_enhanced_pictures_replace_the_old_ones_which_are_kept(
    workspace: Workspace, inverter: Inverter, capsys: pytest.CaptureFixture[str]
) -> None:
    aligned = workspace.aligned("src")
    write_faces(aligned, 2, 128)
    before = {face.name: read_face(face.path) for face in list_faceset(aligned)}
    old = {path.name: path.read_bytes() for path in aligned.glob("*.jpg")}
    run(workspace, SRC, Report())
    said = capsys.readouterr().out
    assert "2 faces enhanced" in said
    assert str(workspace.aligned_trash("src")) in said
    for name, face in before.items():
        now = read_face(aligned / name)
        assert np.abs(now.picture.astype(int) - (255 - face.picture.astype(int))).mean() < 4  # what resizing changes
        assert now.metadata.other == face.metadata.other | {"enhanced": True}
        assert np.array_equal(now.metadata.landmarks, face.metadata.landmarks)
        assert now.metadata.xseg_mask == face.metadata.xseg_mask
    assert {path.name: path.read_bytes() for path in workspace.aligned_trash("src").glob("*.jpg")} == old
    assert not aligned.with_name("aligned_enhanced").exists()


def test_a_second_run_does_not_enhance_again(
    workspace: Workspace, inverter: Inverter, capsys: pytest.CaptureFixture[str]
) -> None:
    write_faces(workspace.aligned("src"), 2, 128)
    run(workspace, SRC, Report())
    after = brightness(workspace.aligned("src"))
    run(workspace, SRC, Report())
    assert "nothing to enhance" in capsys.readouterr().out
    assert brightness(workspace.aligned("src")) == after
    assert inverter.calls == 2


def test_a_stopped_run_goes_on_where_it_was(
    workspace: Workspace, inverter: Inverter, capsys: pytest.CaptureFixture[str]
) -> None:
    aligned = workspace.aligned("src")
    write_faces(aligned, 3, 128)
    inverter.last = 2
    with pytest.raises(KeyboardInterrupt):
        run(workspace, SRC, Report())
    assert len(list(aligned.with_name("aligned_enhanced").glob("*.jpg"))) == 2
    inverter.last = 1000
    run(workspace, SRC, Report())
    assert "2 of 3 faces are finished" in capsys.readouterr().out
    assert inverter.calls == 3
    assert all(face.metadata.other.get("enhanced") for face in list_faceset(aligned))


def test_without_merge_they_lie_beside_and_changed_faces_are_done_again(
    workspace: Workspace, inverter: Inverter
) -> None:
    aligned = workspace.aligned("src")
    beside = aligned.with_name("aligned_enhanced")
    write_faces(aligned, 2, 128)
    old = {path.name: path.read_bytes() for path in aligned.glob("*.jpg")}
    run(workspace, EnhanceOptions(side="src", merge=False), Report())
    assert {path.name: path.read_bytes() for path in aligned.glob("*.jpg")} == old
    assert len(list_faceset(beside)) == 2
    os.utime(aligned / "00001_0.jpg", (1, 1))
    run(workspace, EnhanceOptions(side="src", merge=False), Report())
    assert inverter.calls == 3


def test_the_old_pictures_can_be_put_back(workspace: Workspace, inverter: Inverter) -> None:
    aligned = workspace.aligned("src")
    write_faces(aligned, 1, 128)
    old = (aligned / "00001_0.jpg").read_bytes()
    run(workspace, SRC, Report())
    (aligned / "00001_0.jpg").unlink()
    assert restore(aligned, reason="enhanced") == 1
    assert (aligned / "00001_0.jpg").read_bytes() == old


def test_a_kill_while_taking_over_loses_nothing(
    workspace: Workspace, inverter: Inverter, monkeypatch: pytest.MonkeyPatch
) -> None:
    aligned = workspace.aligned("src")
    write_faces(aligned, 2, 128)
    run(workspace, EnhanceOptions(side="src", merge=False), Report())
    rename = Path.rename

    def killed(path: Path, target: Path) -> Path:
        if path.parent.name == "aligned_enhanced" and path.name.startswith("00002"):
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            run(workspace, SRC, Report())
    assert len(list_faceset(aligned)) == 1
    run(workspace, SRC, Report())
    assert [bool(face.metadata.other.get("enhanced")) for face in list_faceset(aligned)] == [True, True]
    assert len(list(workspace.aligned_trash("src").glob("*.jpg"))) == 2
    assert inverter.calls == 2


def test_a_damaged_picture_is_told_and_stays(
    workspace: Workspace, inverter: Inverter, capsys: pytest.CaptureFixture[str]
) -> None:
    aligned = workspace.aligned("src")
    write_faces(aligned, 2, 128)
    content = (aligned / "00001_0.jpg").read_bytes()
    tables = content.index(b"\xff\xc4") + 5
    broken = content[:tables] + bytes([255] * 16) + content[tables + 16 :]  # no Huffman codes are so many
    (aligned / "00001_0.jpg").write_bytes(broken)
    run(workspace, SRC, Report())
    said = capsys.readouterr().out
    assert "! 00001_0.jpg is left as it is" in said
    assert "1 faces enhanced; 1 failed" in said
    assert (aligned / "00001_0.jpg").read_bytes() == broken


def test_what_is_missing_is_told_before_anything_is_made(workspace: Workspace, weights_folder: Path) -> None:
    aligned = workspace.aligned("src")
    write_faces(aligned, 1, 128)
    with pytest.raises(UserError, match=r"FaceEnhancer\.safetensors") as caught:
        run(workspace, SRC, Report())
    assert "dfl import weights FOLDER" in caught.value.todo
    assert not aligned.with_name("aligned_enhanced").exists()
    (weights_folder / "FaceEnhancer.safetensors").touch()
    (aligned / "faceset.pak").touch()
    with pytest.raises(UserError, match="packed"):
        run(workspace, SRC, Report())
    with pytest.raises(UserError, match="no faces"):
        run(workspace, EnhanceOptions(side="dst"), Report())


@pytest.mark.slow
def test_the_whole_network_runs_with_weights_of_the_weights_folder(workspace: Workspace, weights_folder: Path) -> None:
    engine.start_engine("tensorflow")
    from dfl.models.face_weights import build_face_network, save_face_network
    from dfl.nets.layers import named_weights

    # Small outputs: what the network adds to a picture is little, and the picture must still be there.
    weights = named_weights(build_face_network("FaceEnhancer"))
    arrays = {name: np.asarray(weight).astype(np.float16) for name, weight in weights.items()}
    for name in arrays:
        if name.startswith("out") and "conv1" in name:
            arrays[name] *= np.float16(0.01)
    save_face_network("FaceEnhancer", arrays)
    write_faces(workspace.aligned("src"), 1, 128)
    path = workspace.aligned("src") / "00001_0.jpg"
    before = read_face(path).picture
    run(workspace, SRC, Report())
    now = read_face(path).picture
    assert now.shape == before.shape
    # Doubling twice moves the picture: an inner pixel of the small one lies at the large one's 4 x, not at 4 x + 1.5.
    moved = cv2.warpAffine(before, np.array([[1, 0, -0.375], [0, 1, -0.375]]), (128, 128), flags=cv2.INTER_LINEAR)
    assert np.abs(now.astype(int) - moved)[8:-8, 8:-8].mean() < 6
