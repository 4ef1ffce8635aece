import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.pictures import encode_picture
from dfl.faceset.perceptual_hash import BYTES, match_hashes, perceptual_hash, perceptual_hash_of, perceptual_hashes


def _picture(seed: int, side: int = 160) -> NDArray[np.uint8]:
    blocks = np.random.default_rng(seed).integers(0, 256, (7, 7, 3)).astype(np.uint8)
    return cv2.resize(blocks, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def _edits(picture: NDArray[np.uint8]) -> list[bytes]:
    retouched = picture.copy()
    cv2.circle(retouched, (80, 80), 12, (20, 20, 200), -1)
    return [
        encode_picture(picture, ".jpg", 60),
        encode_picture(picture, ".webp", 50),
        encode_picture(cv2.resize(picture, (512, 512), interpolation=cv2.INTER_CUBIC), ".jpg", 95),
        encode_picture(cv2.convertScaleAbs(picture, alpha=0.7, beta=30), ".png"),
        encode_picture(retouched, ".jpg", 90),
    ]


def test_edited_pictures_are_known_again_and_others_are_not() -> None:
    known = [perceptual_hash_of(_picture(seed)) for seed in range(30)]
    for seed in (3, 17):
        prints = [perceptual_hash(content, "") for content in _edits(_picture(seed))]
        assert match_hashes(prints, known, [-1] * len(prints)) == [seed] * len(prints)
    strangers = [perceptual_hash_of(_picture(seed)) for seed in range(100, 130)]
    assert match_hashes(strangers, known, [-1] * 30) == [-1] * 30


def test_two_candidates_that_are_alike_are_not_sure_and_the_name_decides() -> None:
    twin = _picture(1)
    twin[0, 0] = 0
    known = [perceptual_hash_of(_picture(1)), perceptual_hash_of(twin), perceptual_hash_of(_picture(2))]
    wanted = [perceptual_hash(_edits(_picture(1))[0], "")] * 3
    assert match_hashes(wanted, known, [-1, 0, 1]) == [-1, 0, 1]


def test_a_name_that_another_picture_has_got_does_not_decide() -> None:
    known = [perceptual_hash_of(_picture(1)), perceptual_hash_of(_picture(2))]
    wanted = [perceptual_hash_of(_picture(2)), perceptual_hash_of(_picture(50))]
    assert match_hashes(wanted, known, [0, 0]) == [1, -1]


def test_nothing_is_alike_to_nothing() -> None:
    assert match_hashes([], [], []) == []
    assert match_hashes([bytes(BYTES)], [], [-1]) == [-1]


def test_pictures_of_one_grey_have_a_print() -> None:
    assert len(perceptual_hash_of(np.full((20, 20, 3), 77, np.uint8))) == BYTES


def test_damaged_pictures_are_errors_and_the_others_go_on() -> None:
    good = encode_picture(_picture(1), ".png")
    found = list(
        perceptual_hashes((name, lambda content=content: content) for name, content in [("a", good), ("b", b"x")])
    )
    assert found[0] == perceptual_hash(good, "a")
    assert isinstance(found[1], UserError)
    with pytest.raises(UserError, match="too large"):
        perceptual_hash(good[:16] + (2**30).to_bytes(4, "big") * 2 + good[24:], "huge.png")
