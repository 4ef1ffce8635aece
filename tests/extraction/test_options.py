import pytest
from pydantic import ValidationError

from dfl.base.asking import ask_options
from dfl.extraction.options import ExtractFacesOptions


def test_heads_are_larger_unless_a_size_is_given() -> None:
    assert ExtractFacesOptions(side="src").image_size == 512
    assert ExtractFacesOptions(side="src", face_type="head").image_size == 768
    assert ExtractFacesOptions(side="src", face_type="head", image_size=512).image_size == 512


@pytest.mark.parametrize("wrong", [{"image_size": 127}, {"image_size": 2049}, {"jpeg_quality": 0}, {"max_faces": -1}])
def test_values_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        ExtractFacesOptions(side="src", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("side", "answers", "asked"),
    [
        (
            "src",
            {"Face type": "head"},
            ["Face type", "Largest number", "768] Size of the pictures", "JPEG", "Write debug"],
        ),
        ("dst", {}, ["Face type", "512] Size of the pictures", "JPEG", "Write debug"]),
    ],
)
def test_questions_come_in_the_originals_order(side: str, answers: dict[str, str], asked: list[str]) -> None:
    prompts: list[str] = []

    def read(prompt: str) -> str:
        prompts.append(prompt)
        return next((answer for question, answer in answers.items() if question in prompt), "")

    got = ask_options(ExtractFacesOptions, {"side": side}, skip=["side"], read=read)
    assert len(prompts) == len(asked)
    assert all(text in prompt for text, prompt in zip(asked, prompts, strict=True))
    assert got["image_size"] == (768 if answers else 512)
