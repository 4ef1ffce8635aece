import numpy as np

from dfl.faceset_tools.inspect_table import facts_in_words, table
from tests.faceset.made_facts import made_facts
from tests.faceset.mean_head_faces import made_face


def test_the_table_has_a_column_for_each_set() -> None:
    lines = table([made_facts("src"), made_facts("dst", 7)])
    assert lines[0].split() == ["src", "dst"]
    assert lines[1].split() == ["faces", "600", "7"]
    places = {line.index("dst") if "dst" in line else line.rindex("7") for line in lines[:2]}
    assert len(places) == 1


def test_values_are_told_by_their_middle_and_range() -> None:
    words = facts_in_words(made_facts("src", brightness=np.linspace(0, 200, 600)))
    assert words["brightness"] == "100 (10 to 190)"
    assert words["enlarged"] == "1.00 times (1.00 to 1.00)"
    assert words["people"] == "1 in 600 faces"
    assert words["face type"] == "whole face"


def test_mixed_sizes_are_told_with_their_counts() -> None:
    small = made_face("small.jpg")
    faces = [made_face(f"{number}.jpg") for number in range(3)] + [type(small)(small.path, small.metadata, (96, 96, 3))]
    assert facts_in_words(made_facts("src", faces=faces))["picture size"] == "160 px (3), 96 px (1)"
