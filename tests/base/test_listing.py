import os
from pathlib import Path

import pytest

from dfl.base.listing import in_natural_order, list_folders, list_pictures, newest_first


def test_pictures_are_listed_by_name_and_nothing_else_is(tmp_path: Path) -> None:
    for name in ("b.PNG", "a10.jpg", "a2.jpeg", "c.tiff", "d.webp", "notes.txt", "clip.mp4", "x.part-ffffff3d.jpg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    assert [path.name for path in list_pictures(tmp_path)] == ["a2.jpeg", "a10.jpg", "b.PNG", "c.tiff", "d.webp"]
    assert list_pictures(tmp_path / "missing") == []


def test_the_newest_file_comes_first(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("b", "a", "c")]
    for moment, path in enumerate(paths):
        path.write_text("")
        os.utime(path, (0, min(moment, 1)))
    assert [path.name for path in newest_first(paths)] == ["a", "c", "b"]


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    for name in ("00001.png", "._00001.png", ".00002.png", "00002.png", "Thumbs.db", ".DS_Store"):
        (tmp_path / name).write_bytes(b"")
    for name in ("anna", ".thumbnails", "@eaDir"):
        (tmp_path / name).mkdir()
    assert [path.name for path in list_pictures(tmp_path)] == ["00001.png", "00002.png"]
    assert [path.name for path in list_folders(tmp_path)] == ["@eaDir", "anna"]


@pytest.mark.parametrize(
    "names",
    [
        [f"img{number}.png" for number in range(1, 15)],
        ["img.png", "img01.jpg", "img1.png", "IMG2.png", "img10.png"],  # mixed widths and cases
        ["shot2_frame9.png", "shot2_frame10.png", "shot10_frame1.png"],  # several numbers
        ["img１.png", "img２.png", "img１０.png"],  # digits of other scripts
        ["a-99999999999999999999998.png", "a-99999999999999999999999.png", "a-100000000000000000000000.png"],
        ["1 (1).png", "1 (2).png", "1 (10).png"],
        ["a.png", "a1b.png", "ab.png"],
    ],
)  # fmt: skip
def test_img2_comes_before_img10(tmp_path: Path, names: list[str]) -> None:
    for name in reversed(names):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in list_pictures(tmp_path)] == names
    assert in_natural_order(reversed(names)) == names


def test_natural_order_is_the_plain_one_for_our_own_names() -> None:
    frames = [f"{number:05d}.png" for number in range(300)]
    assert in_natural_order(reversed(frames)) == sorted(frames)
    faces = [f"{number:05d}_{face}.jpg" for number in range(9) for face in range(3)]
    assert in_natural_order(reversed(faces)) == sorted(faces)
    assert in_natural_order(reversed([*faces, "00009.jpg"])) == sorted([*faces, "00009.jpg"])
