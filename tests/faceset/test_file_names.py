import pytest

from dfl.faceset.file_names import name_key, why_unsafe


@pytest.mark.parametrize(
    "name", ["00001_0.jpg", "Gesicht é 顔 (1).jpg", "con_1.jpg", "a.b.c.jpg", "com.jpg", "x" * 236 + ".jpg"]
)
def test_ordinary_names_are_taken(name: str) -> None:
    assert why_unsafe(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../a.jpg",
        "..\\a.jpg",
        "/etc/a.jpg",
        "C:a.jpg",
        "C:\\a.jpg",
        "\\\\server\\a.jpg",
        "a.jpg:stream",
        "nul",
        "NUL.jpg",
        "con.tar.jpg",
        "Com1.jpg",
        "lpt³.jpg",
        "aux .jpg",
        "a.jpg.",
        "a.jpg ",
        " a.jpg",
        ".a.jpg",
        "a\0.jpg",
        "a\n.jpg",
        "a?.jpg",
        "a\ud800.jpg",
        "x" * 300 + ".jpg",
        "a.part-12345678.jpg",
    ],
)
def test_names_that_lead_elsewhere_or_that_a_system_refuses_are_not(name: str) -> None:
    assert why_unsafe(name)


def test_names_that_differ_in_case_are_one_file() -> None:
    assert name_key("A.JPG") == name_key("a.jpg") != name_key("b.jpg")
