"""The demo goes the whole road in a folder of its own, and leaves every other folder alone."""

from pathlib import Path

import av
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture
from dfl.base.report import Report
from dfl.demo import demo
from dfl.demo.options import DemoOptions
from dfl.video.marking import read_marks
from dfl.workspace import Workspace


@pytest.mark.slow
def test_whole_road_gives_a_marked_result_with_sound_and_a_sheet(workspace: Workspace) -> None:
    demo.run(workspace, DemoOptions(minutes=0.02, seconds=1), Report())
    made = Workspace(workspace.root.with_name("dfl_demo"))
    with av.open(str(made.result(".mp4"))) as result, av.open(str(made.clip("dst"))) as clip:
        assert sum(1 for _ in result.decode(video=0)) == 25
        result.seek(0)
        sounds = [
            np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])[:44100]
            for container in (result, clip)
        ]
    np.testing.assert_allclose(sounds[0], sounds[1], atol=0.01)
    assert "tag" in read_marks(made.result(".mp4")).layers
    assert "XMP" in read_marks(made.root / demo.SHEET_FILE).layers
    # The middle of the face changed, the frame's border did not.
    merged = [read_picture(path).astype(int) for path in list_pictures(made.merged)]
    before = [read_picture(path).astype(int) for path in list_pictures(made.frames("dst"))]
    change = np.abs(np.array(merged) - np.array(before)).max(axis=(0, 3))
    assert change[150:250, 180:280].mean() > 20
    assert change[:20].max() == 0
    # Nothing went into the user's workspace.
    assert not [path for path in workspace.root.rglob("*") if path.is_file()]


def test_folder_with_something_else_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    own = tmp_path / "mine"
    own.mkdir()
    (own / "data_src.mp4").write_bytes(b"precious")
    with pytest.raises(UserError, match="holds other files"):
        demo.run(workspace, DemoOptions(workspace=own), Report())
    assert [path.name for path in own.iterdir()] == ["data_src.mp4"]


def test_demo_of_another_length_is_not_mixed(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "dfl_demo").mkdir()
    options = DemoOptions(workspace=tmp_path / "dfl_demo", seconds=2)
    (tmp_path / "dfl_demo" / demo.MARK_FILE).write_text('{"seconds": 6.0}')
    with pytest.raises(UserError, match="another length"):
        demo.run(workspace, options, Report())
