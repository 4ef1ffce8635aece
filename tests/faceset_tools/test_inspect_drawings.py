from xml.etree import ElementTree

import numpy as np
import pytest

from dfl.faceset_tools.inspect_drawings import LACKING, histogram, pose_map


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def test_the_map_shows_left_on_the_left_and_up_above() -> None:
    poses = np.radians([(0.0, 30.0), (0.0, -30.0), (15.0, 0.0)])
    circles = parsed(pose_map({"dst": poses}, None)).findall("circle")
    x, y = (sorted(float(circle.get(name, "")) for circle in circles) for name in ("cx", "cy"))
    up = min(circles, key=lambda circle: float(circle.get("cy", "")))
    assert len(circles) == 3
    assert float(up.get("cx", "")) == x[1]
    assert y[0] < y[1] == y[2]
    left = parsed(pose_map({"dst": poses[:1]}, None)).find("circle")
    right = parsed(pose_map({"dst": poses[1:2]}, None)).find("circle")
    assert left is not None
    assert right is not None
    assert float(left.get("cx", "")) < float(right.get("cx", ""))


def test_faces_that_src_lacks_are_marked() -> None:
    poses = np.radians([(0.0, 0.0)] * 5 + [(0.0, 30.0)] * 2)
    lacking = np.array([False] * 5 + [True] * 2)
    drawing = parsed(pose_map({"src": poses[:5], "dst": poses}, lacking))
    marked = [circle for circle in drawing.findall("circle") if circle.get("fill") == LACKING]
    assert len(marked) == 1
    assert marked[0].findtext("title") == "2 of dst, 2 of them where src lacks faces"
    assert [square.findtext("title") for square in drawing.findall("rect")[1:]] == ["5 of src"]


def test_the_map_does_not_grow_with_the_number_of_faces() -> None:
    poses = np.random.default_rng(0).normal(0, 0.5, (20_000, 2))
    drawing = pose_map({"src": poses, "dst": poses}, np.zeros(20_000, np.bool_))
    assert len(drawing) < 500_000
    assert sum(int((one.findtext("title") or "0").split()[0]) for one in parsed(drawing).findall("circle")) == 20_000


@pytest.mark.parametrize("degrees", [0.0, 1.0, 89.9, 90.0])
def test_extreme_directions_stay_on_the_map(degrees: float) -> None:
    drawing = parsed(pose_map({"dst": np.radians([(degrees, -degrees)])}, None))
    width, height = (float(value) for value in drawing.get("viewBox", "").split()[2:])
    (circle,) = drawing.findall("circle")
    assert 0 < float(circle.get("cx", "")) < width
    assert 0 < float(circle.get("cy", "")) < height


def test_a_histogram_has_a_shape_for_each_side_and_takes_any_values() -> None:
    drawing = parsed(histogram({"src": np.array([0.1, 0.2, 9.0, -1.0]), "dst": np.array([])}, 0, 1))
    assert len(drawing.findall("path")) == 3
    assert [text.text for text in drawing.findall("text")] == ["0", "0.5", "1"]
