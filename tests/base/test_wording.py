from dfl.base.wording import counted, first_few


def test_the_first_five_names_are_given_and_the_others_counted() -> None:
    assert first_few(["a.jpg"]) == "a.jpg"
    assert first_few(list("abcde")) == "a, b, c, d, e"
    assert first_few(list("abcdefg"), "; ") == "a; b; c; d; e; and 2 more"


def test_one_thing_is_not_several() -> None:
    assert [counted(number, "picture") for number in (0, 1, 2)] == ["0 pictures", "1 picture", "2 pictures"]
    assert [counted(number, "face is", "faces are") for number in (1, 2)] == ["1 face is", "2 faces are"]
