"""What surrounds the detector, against slow computations from its description."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl.extraction.s3fd_boxes import boxes_in_frame, boxes_of_cells, boxes_of_maps, nms, reduced

STRIDES = (4, 8, 16, 32, 64, 128)


@pytest.mark.parametrize(
    ("width", "height", "size", "scale"),
    [
        (1280, 720, (640, 360), 2.0),  # from 1280 on 640 pixels
        (3840, 2160, (640, 360), 6.0),
        (1278, 720, (639, 360), 2.0),  # below half of it
        (500, 332, (250, 166), 2.0),
        (721, 1279, (360, 639), 2.0),  # truncated
        (128, 128, (64, 64), 2.0),  # at least 64
        (100, 80, (64, 51), 100 / 64),
        (2000, 64, (640, 32), 3.125),  # 20 rows, and black ones below for the network's sake
    ],
)
def test_frames_are_made_as_small_as_the_original_does(width, height, size, scale):
    small, factor = reduced(np.full((height, width, 3), 200, np.uint8))
    assert small.shape == (size[1], size[0], 3)
    assert factor == scale
    assert small[0].min() == 200


def test_rows_that_only_the_network_needs_are_black():
    small, _ = reduced(np.full((64, 2000, 3), 200, np.uint8))
    assert small[:20].min() == 200
    assert small[20:].max() == 0


def test_a_cell_tells_of_a_box_around_its_prior():
    # Cell of column 3, row 2 at stride 16: centre 56, 40, side 64. Moved by 1 and -2 tenths of the side, width * e^0.2.
    (box,) = boxes_of_cells(np.array([2]), np.array([3]), np.array([[1, -2, 1, 0]], np.float32), 16)
    width = 64 * math.exp(0.2)
    assert box == pytest.approx([62.4 - width / 2, 27.2 - 32, 62.4 + width / 2, 27.2 + 32], abs=1e-4)


def slow_nms(boxes, scores, limit=0.3):
    """Every pair by hand."""
    kept = []
    for index in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        left, top, right, bottom = boxes[index]
        for other in kept:
            wide = min(right, boxes[other][2]) - max(left, boxes[other][0]) + 1
            high = min(bottom, boxes[other][3]) - max(top, boxes[other][1]) + 1
            shared = max(wide, 0) * max(high, 0)
            both = (right - left + 1) * (bottom - top + 1)
            both += (boxes[other][2] - boxes[other][0] + 1) * (boxes[other][3] - boxes[other][1] + 1)
            if shared / (both - shared) > limit:
                break
        else:
            kept.append(index)
    return kept


some_boxes = st.lists(
    st.tuples(*[st.integers(-20, 60)] * 2, *[st.integers(0, 50)] * 2, st.integers(0, 9)), min_size=1, max_size=25
)


@given(some_boxes)
def test_overlapping_boxes_go_as_when_every_pair_is_looked_at(rows):
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in rows], np.float64)
    scores = np.array([row[4] / 10 for row in rows], np.float32)
    assert nms(boxes, scores) == slow_nms(boxes.tolist(), scores.tolist())


def test_the_limit_of_overlap_itself_stays():
    # 10 x 13 pixels against 10 x 10 of them: shared 60 of 200, exactly 0.3.
    boxes = np.array([(0, 0, 9, 12), (0, 7, 9, 19)], np.float64)
    scores = np.array([0.9, 0.8], np.float32)
    assert 60 / (130 + 130 - 60) == 0.3
    assert nms(boxes, scores) == [0, 1]
    boxes[1] -= (0, 1, 0, 1)
    assert nms(boxes, scores) == [0]


def random_maps(seed, height=96, width=128):
    random = np.random.default_rng(seed)
    maps = []
    for stride in STRIDES:
        face = random.random((max(1, height // stride), max(1, width // stride))).astype(np.float32) ** (64 / stride)
        maps.append(np.stack([1 - face, face], axis=-1))
        maps.append(random.normal(0, 2, (*face.shape, 4)).astype(np.float32))
    return maps


@pytest.mark.parametrize("seed", range(5))
def test_all_maps_together_give_what_the_original_keeps(seed):
    """Cells over 0.05, the overlapping ones dropped, then those from 0.5 on: one after another, as described."""
    maps = random_maps(seed)
    boxes, scores = [], []
    for level, stride in enumerate(STRIDES):
        share, offsets = maps[2 * level], maps[2 * level + 1]
        for row in range(share.shape[0]):
            for column in range(share.shape[1]):
                if share[row, column, 1] > 0.05:
                    side = 4 * stride
                    x = column * stride + stride / 2 + float(offsets[row, column, 0]) * 0.1 * side
                    y = row * stride + stride / 2 + float(offsets[row, column, 1]) * 0.1 * side
                    width = side * math.exp(float(offsets[row, column, 2]) * 0.2)
                    height = side * math.exp(float(offsets[row, column, 3]) * 0.2)
                    boxes.append([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
                    scores.append(float(share[row, column, 1]))
    wanted = [index for index in slow_nms(boxes, scores) if scores[index] >= 0.5]
    got_boxes, got_scores = boxes_of_maps(maps, STRIDES)
    assert len(wanted) > 3
    assert np.allclose(got_boxes, np.array(boxes)[wanted], atol=1e-4)
    assert np.allclose(got_scores, np.array(scores)[wanted])


def test_empty_maps_and_boxes_without_end_give_nothing():
    maps = random_maps(1)
    for number in range(0, 12, 2):
        maps[number][:] = (1, 0)
    assert [len(part) for part in boxes_of_maps(maps, STRIDES)] == [0, 0]
    maps[10][0, 0] = (0, 1)
    maps[11][0, 0] = (0, 0, 1e6, 0)
    assert [len(part) for part in boxes_of_maps(maps, STRIDES)] == [0, 0]


@pytest.mark.parametrize(
    ("box", "wanted"),
    [
        ((10.9, 20.2, 60.7, 80.9), (20, 40, 120, 172)),  # truncated, doubled, a tenth of 120 below
        ((-3.9, -0.5, 40.2, 50.1), (-6, 0, 80, 110)),  # truncated towards 0
        ((0, 0, 20.5, 20.5), (0, 0, 40, 44)),  # 40 pixels are enough
        ((0, 0, 19.9, 100), None),  # 38 are not
        ((0, 0, 100, 19.9), None),
    ],
)
def test_boxes_in_frame_pixels(box, wanted):
    whole, scores = boxes_in_frame(np.array([box], np.float64), np.array([0.7], np.float32), 2.0)
    assert whole.tolist() == ([] if wanted is None else [list(wanted)])
    assert scores.tolist() == pytest.approx([] if wanted is None else [0.7])


def test_the_largest_box_comes_first_with_its_score():
    boxes = np.array([(0, 0, 50, 50), (0, 0, 90, 90), (5, 5, 55, 55)], np.float64)
    whole, scores = boxes_in_frame(boxes, np.array([0.9, 0.6, 0.8], np.float32), 1.0)
    assert whole[:, 2].tolist() == [90, 50, 55]
    assert scores.tolist() == pytest.approx([0.6, 0.9, 0.8])
