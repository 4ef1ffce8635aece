"""Which faces belong to which frame."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from dfl.base.listing import list_pictures
from dfl.base.report import Report
from dfl.faceset.faceset import list_faceset
from dfl.faceset_tools.options import PackOptions
from dfl.faceset_tools.pack import run as pack
from dfl.merging.planning.clip_faces import match_faces
from dfl.merging.planning.tasks import FrameTask
from dfl.workspace import Workspace

Face = Callable[..., Path]


def matched(workspace: Workspace, frames: int) -> list[FrameTask]:
    paths = [workspace.frames("dst") / f"{number:05d}.png" for number in range(1, frames + 1)]
    return match_faces(paths, list_faceset(workspace.aligned("dst")))


def test_the_stem_alone_links_a_face_to_its_frame(workspace: Workspace, face: Face) -> None:
    face("00002.jpg", 50, 50, 40)
    assert [len(frame.faces) for frame in matched(workspace, 3)] == [0, 1, 0]


def test_faces_of_a_frame_come_in_the_order_of_their_files(workspace: Workspace, face: Face) -> None:
    for index, x in ((2, 150), (0, 50), (1, 100)):
        face("00001.png", x, 60, 40, index)
    (frame,) = matched(workspace, 1)
    assert [face.landmarks[:, 0].mean().round() for face in frame.faces] == [50, 100, 150]


def test_pictures_without_face_data_are_no_faces(workspace: Workspace, face: Face) -> None:
    face("00001.png", 50, 50, 40)
    content = list_pictures(workspace.aligned("dst"))[0].read_bytes()
    (workspace.aligned("dst") / "a.jpg").write_bytes(content[:200])
    assert np.array([len(frame.faces) for frame in matched(workspace, 2)]).tolist() == [1, 0]


def test_faces_in_a_pack_belong_to_their_frames_too(workspace: Workspace, face: Face) -> None:
    for number in (1, 3):
        face(f"{number:05d}.png", 30 * number, 50, 40)
    loose = matched(workspace, 3)
    pack(workspace, PackOptions(side="dst"), Report())
    assert [path.name for path in workspace.aligned("dst").iterdir()] == ["faceset.pak"]
    packed = matched(workspace, 3)
    for one, other in zip(loose, packed, strict=True):
        assert one.path == other.path
        assert [face.landmarks.tolist() for face in one.faces] == [face.landmarks.tolist() for face in other.faces]
