import os
import subprocess
import sys
from pathlib import Path

from dfl.base.files import replacing
from dfl.base.listing import list_pictures
from dfl.base.part_files import remove_parts


def _python(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    return done.stdout


def test_files_that_only_look_half_written_are_not_deleted(tmp_path: Path) -> None:
    kept = [
        "holiday.part-2.mp4",
        "data_dst.part-1.png",
        "a.part-12345.png",
        "a.part-0123456g.png",
        "a.part-0A1B2C3D.png",
        "a.part-0a1b2c3d.tar.gz",
        "a.part-0a1b2c3d and more.png",
        ".part-0a1b2c3d.png",
    ]
    for name in (*kept, "a.part-ffffff3d.png", "b.part-ffffff00", "a.part-2.part-ffffff3d.mp4"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.part-ffffff3d").mkdir()
    remove_parts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "folder.part-ffffff3d"])
    assert {"data_dst.part-1.png", "a.part-12345.png"} <= {path.name for path in list_pictures(tmp_path)}
    remove_parts(tmp_path / "missing")


def test_what_another_stage_is_still_writing_is_not_deleted(tmp_path: Path) -> None:
    result = tmp_path / "result.mp4"
    with replacing(result) as part:
        part.write_bytes(b"half")
        _python("import sys; from pathlib import Path; from dfl.base.part_files import remove_parts\n"
                "remove_parts(Path(sys.argv[1]))", str(tmp_path))  # fmt: skip
        assert part.exists()
        part.write_bytes(b"whole")
    assert result.read_bytes() == b"whole"


def test_a_rest_is_removed_though_another_process_has_its_number_by_now(tmp_path: Path) -> None:
    rest = tmp_path / f"a.part-{os.getpid():06x}00.png"
    rest.write_bytes(b"")
    os.utime(rest, (1, 1))  # before this process began
    remove_parts(tmp_path)
    assert not rest.exists()
