from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.pictures import Picture, read_picture, write_picture
from dfl.faces.align import alignment_matrix, rect_from_landmarks, transform_points
from dfl.faces.face_type import FaceType
from dfl.faces.find import FaceFinder
from dfl.faceset.aligned_face import write_face
from dfl.faceset.face_metadata import FaceMetadata
from dfl.faceset_tools import pack, people
from dfl.faceset_tools.options import PackOptions, PeopleOptions
from dfl.faceset_tools.people import run
from dfl.workspace import Workspace
from tests.recording_report import RecordingReport


def _write_aligned(path: Path, picture: Picture, points: Any, size: int = 192) -> None:
    """An aligned picture of the face with these landmarks."""
    matrix = alignment_matrix(points, size, FaceType.WHOLE)
    aligned = cv2.warpAffine(picture, matrix, (size, size))
    metadata = FaceMetadata(
        face_type=FaceType.WHOLE,
        landmarks=transform_points(points, matrix),
        source_filename=path.name,
        source_rect=np.asarray(rect_from_landmarks(points)),
        source_landmarks=points,
        image_to_face_mat=matrix,
    )
    write_face(path, aligned.astype(np.uint8), metadata)


@pytest.fixture(scope="module")
def stills(shared: Path) -> list[tuple[str, Path, Picture, Any]]:
    """Person, file, picture and landmarks of stills of two people and of one more still."""
    finder = FaceFinder()
    found = []
    for folder, count in (("person_a", 5), ("person_e", 3), ("person_c", 1)):
        for path in sorted((shared / "identities" / folder).glob("*.jpg"))[:count]:
            picture = read_picture(path)
            found.append((folder[-1], path, picture, finder.find(picture)[0].landmarks))
    return found


@pytest.fixture
def aligned(workspace: Workspace, stills: list[tuple[str, Path, Picture, Any]]) -> Path:
    """A faceset of five faces of a, three of e and one of c."""
    folder = workspace.aligned("src")
    for person, path, picture, points in stills:
        _write_aligned(folder / f"{person}_{path.stem}.jpg", picture, points)
    return folder


def _people(folder: Path) -> list[str]:
    return sorted(path.name[0] for path in folder.glob("*.jpg"))


def test_the_table_and_the_sheets_show_every_person(workspace: Workspace, aligned: Path) -> None:
    report = RecordingReport()
    run(workspace, PeopleOptions(side="src"), report)
    rows = [line.split() for line in report.lines]
    assert [row[:2] for row in rows if row[0] in ("1", "2", "nobody")] == [["1", "5"], ["2", "3"], ["nobody", "1"]]
    sheets = workspace.aligned_people("src")
    assert {path.name for path in sheets.iterdir()} == {"person_1.jpg", "person_2.jpg", "nobody.jpg"}
    one, two = read_picture(sheets / "person_1.jpg"), read_picture(sheets / "person_2.jpg")
    assert one.shape[1] > two.shape[1] > 3 * 128
    assert len(_people(aligned)) == 9
    assert report.lines[-1] == "9 faces of 2 people"


def test_keep_moves_the_others_to_the_trash(workspace: Workspace, aligned: Path) -> None:
    run(workspace, PeopleOptions(side="src", keep="2, 0"), RecordingReport())
    assert _people(aligned) == ["c", "e", "e", "e"]
    assert _people(workspace.aligned_trash("src")) == ["a"] * 5
    report = RecordingReport()
    run(workspace, PeopleOptions(side="src"), report)
    assert not (workspace.aligned_people("src") / "person_2.jpg").exists()


def test_only_keeps_who_is_like_the_reference(
    workspace: Workspace, aligned: Path, stills: list[tuple[str, Path, Picture, Any]]
) -> None:
    one, other = (next(path for person, path, _, _ in stills if person == who) for who in "ae")
    report = RecordingReport()
    run(workspace, PeopleOptions(side="src", only=(str(one),)), report)
    assert _people(aligned) == ["a"] * 5
    assert _people(workspace.aligned_trash("src")) == ["c", "e", "e", "e"]
    assert report.lines[-1].startswith("5 faces stay; 4 of others are in")
    with pytest.raises(UserError, match=r"nearest is 0\.[6-9]"):
        run(workspace, PeopleOptions(side="src", only=(str(other),)), RecordingReport())
    assert _people(aligned) == ["a"] * 5


@pytest.mark.parametrize("keep", ["3", "one", "1;2", "-1"])
def test_a_wrong_number_moves_nothing(workspace: Workspace, aligned: Path, keep: str) -> None:
    with pytest.raises(UserError, match="no such person") as caught:
        run(workspace, PeopleOptions(side="src", keep=keep), RecordingReport())
    assert "0, 1, 2" in caught.value.todo
    assert len(_people(aligned)) == 9


@pytest.mark.parametrize(("answer", "left"), [("1", 5), ("", 9)])
def test_a_double_click_asks_who_stays(
    workspace: Workspace, aligned: Path, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    run(workspace, PeopleOptions(side="src", ask=True), RecordingReport())
    assert len(_people(aligned)) == left


def test_a_damaged_face_is_told_and_stays(workspace: Workspace, aligned: Path) -> None:
    damaged = aligned / "damaged.jpg"
    content = (aligned / "c_t0.2.jpg").read_bytes()
    start = content.rindex(b"\xff\xda")  # the coded picture begins
    damaged.write_bytes(content[: start + 40])
    report = RecordingReport()
    run(workspace, PeopleOptions(side="src", keep="1"), report)
    assert "damaged.jpg" in report.text
    assert damaged.exists()


def test_people_of_a_packed_faceset_are_told_but_not_moved(workspace: Workspace, aligned: Path) -> None:
    pack.run(workspace, PackOptions(side="src"), RecordingReport())
    report = RecordingReport()
    run(workspace, PeopleOptions(side="src"), report)
    assert report.lines[-1] == "9 faces of 2 people"
    with pytest.raises(UserError, match="packed") as caught:
        run(workspace, PeopleOptions(side="src", keep="1"), RecordingReport())
    assert "dfl unpack src" in caught.value.todo


def test_an_empty_faceset_says_what_to_do_first(workspace: Workspace) -> None:
    with pytest.raises(UserError, match="no faces") as caught:
        run(workspace, PeopleOptions(side="dst"), RecordingReport())
    assert "extract-faces dst" in caught.value.todo


def test_a_person_with_many_faces_has_sixty_on_the_sheet(workspace: Workspace) -> None:
    folder = workspace.aligned("dst")
    picture = np.full((64, 64, 3), 128, np.uint8)
    points = np.random.default_rng(0).uniform(20, 44, (68, 2)).astype(np.float32)
    for number in range(70):
        _write_aligned(folder / f"{number:05}_0.jpg", picture, points, 64)
    faces = people.list_faceset(folder)
    groups = people.people_of(faces, np.zeros((70, 128), np.float32))
    people.write_sheets(workspace.aligned_people("dst"), groups, RecordingReport())
    sheet = read_picture(workspace.aligned_people("dst") / "person_1.jpg")
    assert sheet.shape[0] == 6 * 128 + 5 * 4
    assert sheet.shape[1] == 10 * 128 + 9 * 4


def test_old_sheets_go_and_other_pictures_stay(workspace: Workspace) -> None:
    folder = workspace.aligned_people("src")
    folder.mkdir(parents=True)
    for name in ("person_7.jpg", "nobody.jpg", "mine.jpg", "person_Anna.jpg", "person_1.png"):
        write_picture(folder / name, np.zeros((8, 8, 3), np.uint8))
    people.write_sheets(folder, [], RecordingReport())
    assert sorted(path.name for path in folder.iterdir()) == ["mine.jpg", "person_1.png", "person_Anna.jpg"]
