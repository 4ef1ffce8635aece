import numpy as np
import pytest

from dfl.base.pictures import write_picture
from dfl.faceset.faceset import list_faceset
from dfl.faceset_tools import faceset_summary
from dfl.faceset_tools.faceset_summary import frame_sizes, summarise_faceset
from dfl.workspace import Workspace
from tests.faceset.mean_head_faces import write_made_face
from tests.recording_report import RecordingReport


@pytest.fixture
def src(workspace: Workspace) -> Workspace:
    for number in range(6):
        write_made_face(workspace.aligned("src") / f"{number:05}_0.jpg", yaw=number, tint=80 + 25 * number, enlarged=2)
    return workspace


def test_every_face_is_measured(src: Workspace) -> None:
    facts = summarise_faceset(src, "src", False, RecordingReport())
    assert facts
    assert [face.name for face in facts.faces] == [f"{number:05}_0.jpg" for number in range(6)]
    assert facts.enlargements == pytest.approx(np.full(6, 2.0))
    assert (np.diff(facts.brightness) > 0).all()
    assert facts.poses.shape == (6, 2)
    assert facts.compared == 6
    assert sum(len(person.faces) for person in facts.people) == 6
    assert facts.picture_sizes == {160: 6}


@pytest.mark.parametrize(("compare_all", "compared"), [(False, 3), (True, 6)])
def test_people_are_looked_for_in_a_choice_of_faces(
    src: Workspace, monkeypatch: pytest.MonkeyPatch, compare_all: bool, compared: int
) -> None:
    monkeypatch.setattr(faceset_summary, "SAMPLED_FACES", 3)
    facts = summarise_faceset(src, "src", compare_all, RecordingReport())
    assert facts
    assert facts.compared == compared
    if not compare_all:
        names = {face.name for person in facts.people for face in person.faces}
        assert {"00000_0.jpg", "00005_0.jpg"} < names


def test_no_faces_no_facts(workspace: Workspace) -> None:
    assert summarise_faceset(workspace, "dst", False, RecordingReport()) is None


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_size_of_a_frame_is_read_from_its_header(src: Workspace, suffix: str) -> None:
    faces = list_faceset(src.aligned("src"))
    assert frame_sizes(src, "src", faces) == {}
    picture = np.random.default_rng(0).integers(0, 256, (300, 500, 3)).astype(np.uint8)
    path = src.frames("src") / f"frame{suffix}"
    write_picture(path, picture, quality=100)
    path.rename(src.frames("src") / "00001.png")
    assert path.with_name("00001.png").stat().st_size > faceset_summary._HEAD_BYTES
    assert frame_sizes(src, "src", faces) == {"00001.png": (300, 500)}
