"""Pictures enhanced patch by patch. Functions that can be computed stand for the network: its weights are not here."""

import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.models.face_enhancer import FaceEnhancer, open_face_enhancer


def nearest(patches):
    """Every pixel four times in both directions: what patches overlap in is equal, so blending must not change it."""
    assert patches.shape[1:] == (192, 192, 3)
    assert patches.dtype == np.float32
    return (patches.repeat(4, axis=1).repeat(4, axis=2),)


def noise(height, width):
    return np.random.default_rng(1).uniform(-1, 1, (height, width, 3)).astype(np.float32)


@pytest.mark.parametrize("size", [(192, 192), (256, 300), (193, 288), (100, 151), (64, 400)])
def test_patches_that_agree_give_the_whole_picture_up_to_its_rim(size):
    picture = noise(*size)
    large = FaceEnhancer(nearest).enlarge(picture)
    assert np.abs(large - picture.repeat(4, axis=0).repeat(4, axis=1)).max() < 1e-5


def test_patches_are_blended_with_tents_as_described():
    """Each patch answers with a number of its own; the sums are taken place by place."""
    answers = []

    def numbers(patches):
        made = []
        for _ in patches:
            answers.append(float(len(answers) + 1))
            made.append(np.full((768, 768, 3), answers[-1], np.float32))
        return (np.stack(made),)

    large = FaceEnhancer(numbers).enlarge(np.zeros((250, 310, 3), np.float32))
    tent = np.concatenate([np.linspace(0, 1, 384), np.linspace(1, 0, 384)])
    total, weights = np.zeros((1000, 1240)), np.zeros((1000, 1240))
    number = 0
    for top in (0, 58):
        for left in (0, 96, 118):
            number += 1
            weight = tent[:, None] * tent
            total[4 * top : 4 * top + 768, 4 * left : 4 * left + 768] += number * weight
            weights[4 * top : 4 * top + 768, 4 * left : 4 * left + 768] += weight
    assert len(answers) == number
    inner = (slice(1, -1), slice(1, -1))  # at the rim the original divides nothing by nothing
    assert np.abs(large[inner][:, :, 0] - (total[inner] / weights[inner])).max() < 2e-2
    assert np.abs(large[inner][:, :, 0] - (total[inner] / weights[inner])).mean() < 1e-4
    corners = [large[0, 0, 0], large[0, -1, 0], large[-1, 0, 0], large[-1, -1, 0]]
    assert corners == pytest.approx([1, 3, 4, 6])


def test_small_pictures_stand_in_the_middle_of_zeros():
    seen = []

    def look(patches):
        seen.append(patches)
        return nearest(patches)

    picture = noise(101, 192)
    FaceEnhancer(look).enlarge(picture)
    (patch,) = seen[0]
    assert np.array_equal(patch[45:146], picture)  # 45 rows before, 46 after
    assert not patch[:45].any()
    assert not patch[146:].any()


def test_enhanced_pictures_have_their_size_and_are_truncated():
    picture = np.random.default_rng(2).integers(0, 256, (200, 220, 3)).astype(np.uint8)
    asked = []

    def brighter(patches):
        asked.append((patches.min(), patches.max()))
        return (nearest(patches)[0] + 0.5,)

    enhanced = FaceEnhancer(brighter).enhance(picture)
    assert asked[0] == (-1, 1)
    large = (picture.astype(np.float32) / 255 * 2 - 1 + 0.5).repeat(4, axis=0).repeat(4, axis=1)
    small = cv2.resize(large, (220, 200), interpolation=cv2.INTER_LANCZOS4)
    wanted = np.clip(small / 2 + 0.5, 0, 1) * 255
    assert enhanced.dtype == np.uint8
    assert np.abs(enhanced - np.floor(wanted)).max() <= 1  # 1 where rounding crosses a whole number
    assert np.mean(enhanced == np.floor(wanted)) > 0.999


def test_patches_go_through_the_network_a_few_at_a_time():
    counts = []

    def count(patches):
        counts.append(len(patches))
        return nearest(patches)

    FaceEnhancer(count).enlarge(np.zeros((384, 384, 3), np.float32))
    assert sum(counts) == 9
    assert max(counts) == 2


def test_without_weights_the_way_to_get_them_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("DFL_WEIGHTS", str(tmp_path))
    from dfl.models.engine import start_engine

    start_engine("tensorflow")
    with pytest.raises(UserError) as caught:
        open_face_enhancer()
    assert "FaceEnhancer.safetensors" in caught.value.what
    assert "dfl import weights FOLDER" in caught.value.todo
