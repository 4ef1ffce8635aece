from typing import Any

import numpy as np
import pytest

from dfl.face_analysis.clustering import NOBODY
from dfl.face_analysis.outliers import Outlier
from dfl.face_analysis.pose_coverage import CoverageGap
from dfl.faceset_tools.faceset_summary import FacesetSummary
from dfl.faceset_tools.people import PersonGroup
from dfl.faceset_tools.recommendations import Recommendation, recommend, trash_command
from dfl.workspace import Side
from tests.faceset.made_facts import made_facts
from tests.faceset.mean_head_faces import made_face

FACES = tuple(made_face(f"{number:05}_0.jpg") for number in range(40))
OTHERS = (PersonGroup(1, FACES[:30], 0.2), PersonGroup(2, FACES[30:38], 0.2), PersonGroup(NOBODY, FACES[38:], 0.5))


def told(recommendations: list[Recommendation], words: str) -> Recommendation:
    """The one recommendation with these words."""
    (found,) = [recommendation for recommendation in recommendations if words in recommendation.text]
    return found


def test_good_sets_get_no_advice() -> None:
    recommendations = recommend({"src": made_facts("src"), "dst": made_facts("dst")}, [])
    assert [recommendation.kind for recommendation in recommendations] == ["good"] * 3
    assert "every direction" in recommendations[0].text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("side", "changed", "kind", "words", "command"),
    [
        ("src", {"people": OTHERS, "compared": 40}, "throw away", "src: 10 of the 40 faces", "dfl people src"),
        (
            "src",
            {"outliers": (Outlier(FACES[3], 1, ("a reason",)),)},
            "throw away",
            "1 face is",
            "dfl trash src 00003_0.jpg",
        ),
        ("src", {"duplicates": (FACES[:80],) * 3}, "throw away", "near duplicates", "--by near-duplicates --remove"),
        ("dst", {"damaged": ("a b.jpg",)}, "throw away", "1 picture is damaged", "dfl trash dst 'a b.jpg'"),
        ("src", {"enlargements": np.full(600, 2.5)}, "look", "enlarged 2.5 times. Pictures of 64 pixels", ""),
        ("dst", {"enlargements": np.full(600, 2.5)}, "look", "A model of more than about 64 pixels", ""),
        ("src", {"brightness": np.full(600, 60.0)}, "look", "darker than dst (by 60 of 255)", ""),
        ("src", {"sharpness": np.full(600, 0.1)}, "look", "less sharp", ""),
        ("src", {"mean_descriptor": np.full(128, 0.1, np.float32)}, "look", "same person", ""),
        ("src", {"faces": FACES}, "missing", "src has 40 faces", ""),
    ],
)
def test_what_is_wrong_is_told_with_what_mends_it(
    side: Side, changed: dict[str, Any], kind: str, words: str, command: str
) -> None:
    sides: dict[Side, FacesetSummary | None] = {"src": made_facts("src"), "dst": made_facts("dst")}
    sides[side] = made_facts(side, **changed)
    recommendation = told(recommend(sides, []), words)
    assert recommendation.kind == kind
    assert command in recommendation.command
    assert bool(command) == bool(recommendation.command)


def test_faces_of_dst_are_not_thrown_away_for_being_alike() -> None:
    recommendations = recommend({"dst": made_facts("dst", duplicates=(FACES,) * 10)}, [])
    assert [recommendation.kind for recommendation in recommendations] == ["good"]
    doubtful = recommend({"dst": made_facts("dst", outliers=(Outlier(FACES[0], 1, ("x",)),))}, [])
    assert "a real one that is gone is not swapped" in doubtful[0].text


def test_holes_come_first_and_mirroring_is_advised_where_it_helps() -> None:
    gaps = [CoverageGap("left", 90, 0.15, 1, 0), CoverageGap("right", 60, 0.10, 0, 200)] + [
        CoverageGap("up", 12, 0.02, 0, 0)
    ] * 4
    recommendations = recommend({"src": made_facts("src", people=OTHERS), "dst": made_facts("dst")}, gaps)
    assert recommendations[0] == Recommendation(
        "missing", "15% of dst's faces look left, where src has 1 face. Add footage of src that looks so."
    )
    assert recommendations[1].command == "dfl train --random-src-flip"
    assert "where src has no faces. Mirrored, src has 200" in recommendations[1].text
    assert recommendations[4].text == "Another 4% of dst in 2 directions."
    assert "every direction" not in " ".join(recommendation.text for recommendation in recommendations)


def test_a_set_without_faces_is_missing() -> None:
    recommendation = recommend({"src": None, "dst": made_facts("dst")}, [])[0]
    assert (recommendation.kind, recommendation.command) == ("missing", "dfl extract-faces src")


def test_a_trash_command_names_few_files_and_quotes_them() -> None:
    command = trash_command("src", [made_face("it's.jpg"), *FACES])
    assert command.startswith("dfl trash src 'it'\"'\"'s.jpg' 00000_0.jpg ")
    assert len(command.split()) == 3 + 8
