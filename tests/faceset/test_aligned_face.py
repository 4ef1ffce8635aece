import json
import math
import pickle
import pickletools
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl.base import jpeg, pickle_writer
from dfl.base.errors import UserError
from dfl.base.pictures import decode_picture, encode_picture, read_picture
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import (
    FaceMetadata,
    jpeg_shape,
    metadata_from_dict,
    metadata_to_dict,
    read_face,
    read_metadata,
    with_metadata,
    write_face,
)
from dfl.faceset.segmentation import Polygon, decode_mask, encode_mask

APP15 = 0xEF
# What the original's programs can look up when they load a pickle.
LOADABLE = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


@pytest.fixture
def metadata() -> FaceMetadata:
    angles = np.linspace(0, 6, 68)
    points = (np.stack([np.cos(angles), np.sin(angles)], axis=1) * 40 + 48).astype(np.float32)
    return FaceMetadata(
        face_type=FaceType.WHOLE,
        landmarks=points,
        source_filename="frame_000012 é.png",
        source_rect=np.array([10, 20, 110, 130]),
        source_landmarks=points * 2 + 7,
        image_to_face_mat=np.array([[0.5, 0.1, -3.5], [-0.1, 0.5, -3.5]]),
        xseg_mask=encode_mask(np.eye(32, dtype=np.float32)),
        polygons=(Polygon(True, points[:5]), Polygon(False, points[9:12])),
        eyebrows_expand_mod=1.5,
        other={"yaw_value": 0.25, "notes": ["a", 1, {"b": None}]},
    )


def _with_dict(content: bytes, values: Any) -> bytes:
    return jpeg.with_payload(content, APP15, pickle_writer.dumps(values), "face.jpg")


def _dict(metadata: FaceMetadata, **changed: Any) -> dict[str, Any]:
    return metadata_to_dict(metadata) | changed


def test_what_is_written_is_read_again(tmp_path: Path, plain_jpeg: bytes, metadata: FaceMetadata) -> None:
    path = tmp_path / "gesicht é 顔_0.jpg"
    write_face(path, decode_picture(plain_jpeg, ""), metadata, quality=90)
    back = read_face(path)
    assert back.picture.shape == (96, 96, 3)
    again = back.metadata
    for name in ("face_type", "source_filename", "xseg_mask", "eyebrows_expand_mod", "other"):
        assert getattr(again, name) == getattr(metadata, name)
    for name in ("landmarks", "source_rect", "source_landmarks", "image_to_face_mat"):
        assert np.array_equal(getattr(again, name), getattr(metadata, name))
    assert [polygon.includes for polygon in again.polygons] == [True, False]
    assert np.array_equal(again.polygons[1].points, metadata.polygons[1].points)
    assert list(tmp_path.iterdir()) == [path]


def test_the_picture_is_not_coded_again(plain_jpeg: bytes, metadata: FaceMetadata) -> None:
    carrying = with_metadata(plain_jpeg, metadata)
    segment = next(part for part in jpeg.segments(carrying, "") if part.marker == APP15)
    assert carrying[: segment.start] + carrying[segment.end :] == plain_jpeg
    assert [part.marker for part in jpeg.segments(carrying, "")][:2] == [0xE0, APP15]
    assert with_metadata(carrying, metadata) == carrying


def test_files_of_the_original_are_written_equal_to_the_byte(face_pickles: dict[str, bytes], plain_jpeg: bytes) -> None:
    for name, data in face_pickles.items():
        content = jpeg.with_payload(plain_jpeg, APP15, data, name)
        metadata = read_metadata(content, name)
        assert metadata is not None
        written = with_metadata(plain_jpeg, metadata)
        if name.startswith("old_"):  # protocol 3, masks as columns
            current = face_pickles[name.removeprefix("old_")]
            written_current = with_metadata(plain_jpeg, _read(plain_jpeg, current))
            assert written == written_current
        elif name == "00009_0":  # excluding polygons first; include first after any loading
            assert len(written) == len(content)
        else:
            assert written == content


def _read(plain_jpeg: bytes, data: bytes) -> FaceMetadata:
    metadata = read_metadata(jpeg.with_payload(plain_jpeg, APP15, data, ""), "face.jpg")
    assert metadata is not None
    return metadata


def test_recorded_matrices_and_landmarks_follow_from_the_source_landmarks(
    face_pickles: dict[str, bytes], plain_jpeg: bytes, agrees: Any
) -> None:
    for data in face_pickles.values():
        face = _read(plain_jpeg, data)
        matrix = alignment_matrix(face.source_landmarks, 256, face.face_type)
        assert face.image_to_face_mat is not None
        agrees("aligned/ matrix, 2x2", matrix[:, :2], face.image_to_face_mat[:, :2], 1e-4)
        agrees("aligned/ matrix, shift (px)", matrix[:, 2], face.image_to_face_mat[:, 2], 0.01)
        moved = transform_points(face.source_landmarks, matrix)
        agrees("aligned/ landmarks (px)", moved, face.landmarks, 1e-3)


def test_values_are_those_that_the_original_reads(shared: Path, agrees: Any) -> None:
    folder = shared / "original" / "aligned"
    expected = json.loads((folder / "expected.json").read_text())["files"]
    paths = [*sorted(folder.glob("*.jpg")), *sorted((folder / "old_python").glob("*.jpg"))]
    assert len(paths) == 14
    for path in paths:
        wanted = expected[path.name]
        content = path.read_bytes()
        face = read_face(path)
        metadata = face.metadata
        assert metadata.face_type.file_name == wanted["face_type"]
        assert metadata.source_filename == wanted["source_filename"]
        assert metadata.source_rect.tolist() == wanted["source_rect"]
        assert metadata.eyebrows_expand_mod == wanted.get("eyebrows_expand_mod", 1.0)
        assert list(jpeg_shape(content)) == wanted["_jpeg_shape"] == list(face.picture.shape)
        agrees("aligned/ read landmarks", metadata.landmarks, wanted["landmarks"], 0)
        agrees("aligned/ read source_landmarks", metadata.source_landmarks, wanted["source_landmarks"], 0)
        agrees("aligned/ read image_to_face_mat", metadata.image_to_face_mat, wanted["image_to_face_mat"], 0)
        agrees("aligned/ picture mean (grey levels)", face.picture.mean((0, 1)), wanted["_image"]["mean_bgr"], 0.01)
        polygons = wanted.get("_seg_ie_polys", [])
        assert [int(polygon.includes) for polygon in metadata.polygons] == [row["type"] for row in polygons]
        for polygon, row in zip(metadata.polygons, polygons, strict=True):
            agrees("aligned/ polygon points", polygon.points, row["pts"], 0)
        if "_xseg" in wanted:
            assert metadata.xseg_mask is not None
            mask = decode_mask(metadata.xseg_mask, path.name)
            assert list(mask.shape) == wanted["_xseg"]["mask_shape"]
            agrees("aligned/ XSeg mask mean", mask.mean(dtype=np.float64), wanted["_xseg"]["mask_mean"], 1e-4)
        else:
            assert metadata.xseg_mask is None


def test_frames_extracted_again_give_the_recorded_files(shared: Path, agrees: Any) -> None:
    folder = shared / "original" / "aligned"
    frames = sorted((folder / "frames").glob("*.png"))
    assert len(frames) == 3
    for path in sorted(folder.glob("*.jpg")):
        recorded = read_face(path)
        frame_path = folder / "frames" / recorded.metadata.source_filename
        if frame_path in frames:
            source = recorded.metadata.source_landmarks
            matrix = alignment_matrix(source, 256, recorded.metadata.face_type)
            face = cv2.warpAffine(read_picture(frame_path), matrix, (256, 256), flags=cv2.INTER_LINEAR)
            coded = encode_picture(face, ".jpg", 90)
            agrees("aligned/ extracted pixels (grey levels)", decode_picture(coded, ""), recorded.picture, 2)


def test_written_pickles_name_only_what_the_original_knows(plain_jpeg: bytes, metadata: FaceMetadata) -> None:
    data = jpeg.payload(with_metadata(plain_jpeg, metadata), APP15, "")
    assert data is not None
    names: list[Any] = []
    found = set()
    for opcode, argument, _ in pickletools.genops(data):
        assert opcode.proto <= 4
        assert opcode.name not in ("GLOBAL", "INST", "EXT1", "EXT2", "EXT4", "NEWOBJ", "NEWOBJ_EX")
        if opcode.name == "SHORT_BINUNICODE":
            names.append(argument)
        if opcode.name == "STACK_GLOBAL":
            # the module may come out of the memo: "numpy" the second time
            found.add((names[-2] if names[-2] in ("numpy", "numpy.core.multiarray") else "numpy", names[-1]))
    assert found == LOADABLE
    assert b"numpy._core" not in data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy 2 still knows the old module, and says that it is old
        values = pickle.loads(data)
    assert np.array_equal(values["image_to_face_mat"], metadata.image_to_face_mat)
    assert values["source_rect"].dtype == np.int64


def test_a_picture_without_face_data_is_none(plain_jpeg: bytes, tmp_path: Path) -> None:
    assert read_metadata(plain_jpeg, "face.jpg") is None
    assert read_metadata(_with_dict(plain_jpeg, {}), "face.jpg") is None
    assert read_metadata(encode_picture(np.zeros((4, 4, 3), np.uint8), ".png"), "face.png") is None
    assert read_metadata(b"", "face.jpg") is None
    path = tmp_path / "holiday.jpg"
    path.write_bytes(plain_jpeg)
    with pytest.raises(UserError, match=r"holiday\.jpg is no aligned face"):
        read_face(path)
    with pytest.raises(UserError, match=r"gone\.jpg"):
        read_face(tmp_path / "gone.jpg")


def test_restart_intervals_trailing_bytes_and_jfxx_are_read(plain_jpeg: bytes, metadata: FaceMetadata) -> None:
    picture = decode_picture(plain_jpeg, "")
    options = [cv2.IMWRITE_JPEG_RST_INTERVAL, 4, cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    with_restarts = cv2.imencode(".jpg", picture, options)[1].tobytes()
    assert 0xDD in [part.marker for part in jpeg.segments(with_restarts, "")]
    jfxx = plain_jpeg[:2] + b"\xff\xe0\x00\x08JFXX\x00\x10" + plain_jpeg[2:]
    fill_bytes = plain_jpeg[:2] + b"\xff\xff" + plain_jpeg[2:]
    for content in (with_restarts, jfxx, fill_bytes, plain_jpeg + b"\0" * 100):
        carrying = with_metadata(content, metadata)
        back = read_metadata(carrying, "face.jpg")
        assert back is not None
        assert back.source_filename == metadata.source_filename
        assert np.array_equal(decode_picture(carrying, ""), decode_picture(content, ""))
        assert jpeg_shape(carrying) == (96, 96, 3)


def test_too_much_metadata_is_refused_and_nothing_is_written(
    tmp_path: Path, plain_jpeg: bytes, metadata: FaceMetadata
) -> None:
    path = tmp_path / "face_0.jpg"
    path.write_bytes(plain_jpeg)
    large = replace(metadata, xseg_mask=bytes(65_000))
    with pytest.raises(UserError, match=r"face_0\.jpg cannot hold \d+ bytes"):
        write_face(path, decode_picture(plain_jpeg, ""), large)
    assert path.read_bytes() == plain_jpeg
    assert list(tmp_path.iterdir()) == [path]


def test_the_largest_possible_metadata_is_written(plain_jpeg: bytes, metadata: FaceMetadata) -> None:
    without = replace(metadata, xseg_mask=bytes(60_000))
    room = jpeg.MAX_PAYLOAD - len(pickle_writer.dumps(metadata_to_dict(without)))
    back = read_metadata(with_metadata(plain_jpeg, replace(metadata, xseg_mask=bytes(60_000 + room))), "face.jpg")
    assert back is not None
    with pytest.raises(UserError, match="cannot hold"):
        with_metadata(plain_jpeg, replace(metadata, xseg_mask=bytes(60_001 + room)))


def test_older_forms_are_understood(metadata: FaceMetadata) -> None:
    values = _dict(
        metadata,
        landmarks=metadata.landmarks,  # resize tools store an array
        source_rect=[1, 2, 3, 4],
        xseg_mask=np.arange(9, dtype=np.uint8)[:, None],
        seg_ie_polys=[(0, [[1, 2], [3, 4], [5, 6]]), (1, [[1, 1], [2, 2], [3, 1]])],
        fanseg_mask=np.zeros(5, np.uint8),
        relighted=None,
    )
    for key in ("face_type", "eyebrows_expand_mod"):
        del values[key]
    face = metadata_from_dict(values, "face.jpg")
    assert face.face_type is FaceType.FULL
    assert face.eyebrows_expand_mod == 1.0
    assert face.source_rect.tolist() == [1, 2, 3, 4]
    assert face.xseg_mask == bytes(range(9))
    assert [polygon.includes for polygon in face.polygons] == [True, False]
    assert face.polygons[1].points.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert set(face.other) == {"yaw_value", "notes", "fanseg_mask"}
    values["ie_polys"] = values.pop("seg_ie_polys")
    assert len(metadata_from_dict(values, "face.jpg").polygons) == 2


def test_missing_source_facts_follow_from_the_others(metadata: FaceMetadata) -> None:
    values = _dict(metadata)
    for key in ("source_landmarks", "source_rect", "source_filename"):
        del values[key]
    face = metadata_from_dict(values, "face.jpg")
    assert face.image_to_face_mat is not None
    assert np.allclose(transform_points(face.source_landmarks, face.image_to_face_mat), face.landmarks, atol=1e-3)
    assert face.source_rect.shape == (4,)
    assert face.source_filename == ""


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\frames\\passwd", "a/b\\passwd"])
def test_a_source_name_never_leads_to_another_folder(metadata: FaceMetadata, name: str) -> None:
    assert metadata_from_dict(_dict(metadata, source_filename=name), "face.jpg").source_filename == "passwd"


@pytest.mark.parametrize(
    "changed",
    [
        {"landmarks": [[1, 2]] * 67},
        {"landmarks": [[math.nan, 2]] * 68},
        {"landmarks": [[1e30, 2]] * 68},
        {"landmarks": [[1, 2, 3]] * 68},
        {"landmarks": "no"},
        {"landmarks": None},
        {"source_landmarks": []},
        {"face_type": "belly"},
        {"source_rect": [1, 2, 3]},
        {"source_rect": [1, 2, 3, math.inf]},
        {"image_to_face_mat": [[1, 2, 3]]},
        {"image_to_face_mat": [[1, 2, 3], [1, 2, math.nan]]},
        {"xseg_mask": np.zeros(3, np.float32)},
        {"xseg_mask": "mask"},
        {"eyebrows_expand_mod": "wide"},
        {"eyebrows_expand_mod": math.nan},
        {"seg_ie_polys": {"polys": [{"type": 1}]}},
        {"seg_ie_polys": {"polys": [1, 2]}},
        {"seg_ie_polys": {"polys": [{"type": 1, "pts": [[math.inf, 0]]}]}},
        {"seg_ie_polys": {"polys": [{"type": "x", "pts": [[1, 0]]}]}},
        {"seg_ie_polys": 7},
    ],
)
def test_wrong_values_are_named_with_the_file(metadata: FaceMetadata, plain_jpeg: bytes, changed: Any) -> None:
    content = _with_dict(plain_jpeg, _dict(metadata, **changed))
    with pytest.raises(UserError, match=r"face data in face_7\.jpg are damaged"):
        read_metadata(content, "face_7.jpg")


@pytest.mark.parametrize("value", [7, "text", [1, 2], (1,)])
def test_face_data_that_are_no_dict_are_refused(plain_jpeg: bytes, value: Any) -> None:
    with pytest.raises(UserError, match=r"face\.jpg"):
        read_metadata(_with_dict(plain_jpeg, value), "face.jpg")


def test_a_hostile_pickle_in_a_picture_runs_nothing(plain_jpeg: bytes, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    hostile = f"cposix\nsystem\n(Vtouch {ran}\ntR.".encode()
    with pytest.raises(UserError, match=r"posix\.system"):
        read_metadata(jpeg.with_payload(plain_jpeg, APP15, hostile, ""), "face.jpg")
    assert not ran.exists()


@pytest.mark.parametrize("key", ["landmarks", "face_type", "source_filename", "seg_ie_polys", "somebody_elses"])
def test_face_data_that_refer_to_themselves_fill_no_memory(plain_jpeg: bytes, metadata: FaceMetadata, key: str) -> None:
    value: Any = [0.0] * 300
    for _ in range(6):  # 300 times the one before
        value = [value] * 300
    packed = pickle.dumps(metadata_to_dict(metadata) | {key: value}, 4)
    content = jpeg.with_payload(plain_jpeg, 0xEF, packed, "x")
    with pytest.raises(UserError, match=r"evil\.jpg .*without end"):
        read_metadata(content, "evil.jpg")


def test_a_cut_picture_is_an_error_and_not_grey_pixels(
    tmp_path: Path, plain_jpeg: bytes, metadata: FaceMetadata
) -> None:
    content = with_metadata(plain_jpeg, metadata)
    path = tmp_path / "half.jpg"
    for length in (3, 20, 1000, len(content) - 500, len(content) - 2):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match=r"half\.jpg"):
            read_face(path)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_damage_gives_an_error_or_data_and_nothing_else(
    data: st.DataObject, plain_jpeg: bytes, face_pickles: dict[str, bytes]
) -> None:
    content = bytearray(jpeg.with_payload(plain_jpeg, APP15, face_pickles["00009_0"], ""))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(content) - 1))
        action = data.draw(st.sampled_from(["change", "drop", "double", "cut"]))
        if action == "change":
            content[place] = data.draw(st.integers(0, 255))
        elif action == "drop":
            del content[place : place + data.draw(st.integers(1, 40))]
        elif action == "double":
            content[place:place] = content[place : place + data.draw(st.integers(1, 400))]
        else:
            del content[max(place, 4) :]
        if not content:
            break
    try:
        metadata = read_metadata(bytes(content), "face.jpg")
    except UserError:
        return
    if metadata is not None:
        assert metadata.landmarks.shape == (68, 2)
        assert np.isfinite(metadata.landmarks).all()
        with_metadata(plain_jpeg, metadata)


@given(content=st.binary(max_size=200), start=st.sampled_from([b"\xff\xd8\xff", b"\xff\xd8\xff\xef\x00\x20\x80\x04"]))
def test_random_bytes_after_a_jpegs_start_are_an_error(content: bytes, start: bytes) -> None:
    with pytest.raises(UserError, match=r"face\.jpg"):
        read_metadata(start + content, "face.jpg")
