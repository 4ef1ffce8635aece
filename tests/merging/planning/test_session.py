"""The session: every frame's settings, kept in a file that people may edit."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfl.base.errors import UserError
from dfl.merging.merge import run_merge
from dfl.merging.options import MergeOptions
from dfl.merging.planning.session import (
    Session,
    SessionPerson,
    frame_numbers,
    is_in,
    parse_spans,
    read_session,
    spelled,
    write_session,
)
from dfl.merging.running.open_models import GivenModels
from dfl.workspace import Workspace
from tests.recording_report import RecordingReport

CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["overlay", "seamless", "raw-rgb"]),
        "erode": st.integers(-400, 400),
        "two_pass": st.booleans(),
    },
)


def at(session: Session, number: int) -> dict[str, Any]:
    return session.settings_at(number).model_dump()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CHANGES, st.one_of(st.none(), st.tuples(st.integers(0, 20), st.integers(0, 8)))), max_size=6))
def test_every_frame_has_what_was_set_last_for_it_and_keeps_it_on_disk(tmp_path: Path, steps: list[Any]) -> None:
    session = Session()
    wanted: dict[int, dict[str, Any]] = {number: at(Session(), number) for number in range(35)}
    for changes, span in steps:
        spans = None if span is None else [(span[0], span[0] + span[1])]
        session.change(changes, spans)
        for number in wanted:
            if spans is None or is_in(number, spans):
                wanted[number] |= changes
    path = tmp_path / "merge_session.json"
    path.unlink(missing_ok=True)
    write_session(path, session)
    for kept in (session, read_session(path)):
        assert {number: at(kept, number) for number in wanted} == wanted


def test_a_range_of_its_own_ends_where_it_was_told_to(tmp_path: Path) -> None:
    session = Session()
    session.change({"mode": "seamless"}, [(100, 110)])
    assert [session.settings_at(number).mode for number in (99, 100, 110, 111)] == [
        "overlay",
        "seamless",
        "seamless",
        "overlay",
    ]
    write_session(tmp_path / "s.json", session)
    ranges = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))["ranges"]
    assert [one["from"] for one in ranges] == [0, 100, 111]
    assert [one["options"] for one in ranges[1:]] == [{"mode": "seamless"}, {"mode": "overlay"}]


def test_a_file_written_by_hand_inherits_from_the_range_before(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    ranges = [{"from": 1, "options": {"erode": 5}}, {"from": 40, "options": {"blur": 9}}]
    path.write_text(json.dumps({"format": 1, "ranges": ranges}), encoding="utf-8")
    session = read_session(path)
    assert (session.settings_at(50).erode, session.settings_at(50).blur) == (5, 9)
    assert session.settings_at(39).blur == "auto"


def test_people_are_kept_and_changed(tmp_path: Path) -> None:
    session = Session()
    session.set_person(SessionPerson(only=("anna.jpg",), model="anna", options={"erode": 3}))
    session.set_person(SessionPerson(faces=("*_1.jpg",), model=None))
    session.set_person(SessionPerson(only=("anna.jpg",), options={"blur": 7}))
    path = tmp_path / "s.json"
    write_session(path, session)
    people = read_session(path).people
    assert people == [
        SessionPerson(("anna.jpg",), (), "anna", {"erode": 3, "blur": 7}),
        SessionPerson((), ("*_1.jpg",), None),
    ]
    assert people[0].settings(session.settings_at(1)).blur == 7


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "format 1"),
        ({"format": 2}, "format 1"),
        ({"format": 1, "ranges": [{"from": 1, "options": {"erode": 999}}]}, "erode"),
        ({"format": 1, "ranges": [{"from": 1, "options": {"eroed": 9}}]}, "eroed"),
        ({"format": 1, "ranges": [{"options": {}}]}, "from"),
        ({"format": 1, "ranges": [{"from": 5, "options": {}}, {"from": 5, "options": {}}]}, "does not come after"),
        ({"format": 1, "people": [{"model": "x"}]}, "neither"),
        ({"format": 1, "people": [{"only": "a.jpg", "mood": 1}]}, "mood"),
    ],
)
def test_a_file_that_is_not_as_expected_is_named_with_the_reason(tmp_path: Path, values: Any, said: str) -> None:
    path = tmp_path / "merge_session.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(UserError, match=said) as caught:
        read_session(path)
    assert str(path) in caught.value.what


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["format", "ranges", "from", "options", "people", "only", "x"]), inner),
        ),
    )
)
def test_any_json_is_read_or_refused(tmp_path: Path, values: Any) -> None:
    path = tmp_path / "s.json"
    if isinstance(values, dict):
        values["format"] = 1
    path.write_text(json.dumps(values), encoding="utf-8")
    with suppress(UserError):
        read_session(path)


@pytest.mark.parametrize(
    ("stems", "numbers"),
    [
        (["00001", "00002", "00100"], [1, 2, 100]),
        (["a1", "a2"], [1, 2]),
        (["1", "01"], [1, 2]),
        (["0", "5"], [0, 5]),
        (["٣", "4"], [1, 2]),
    ],
)
def test_frames_are_known_by_the_numbers_in_their_names(stems: list[str], numbers: list[int]) -> None:
    assert frame_numbers(stems) == numbers


def test_frames_are_named_by_ranges() -> None:
    known = range(1, 21)
    assert parse_spans("3-5, 9", known) == [(3, 5), (9, 9)]
    assert parse_spans("18-40", known) == [(18, 40)]
    assert spelled([9, 3, 4, 5, 7]) == "3-5, 7, 9"
    for wrong in ("", "a", "5-", "9-3", "-4", "1,,2", "1.5", "30"):
        with pytest.raises(UserError):
            parse_spans(wrong, known)


@pytest.mark.slow
def test_a_file_edited_while_a_merge_runs_keeps_the_edit(workspace: Workspace, clip: Any, fake_model: Any) -> None:
    clip(3)
    path = workspace.frames("dst") / "merge_session.json"
    edited = {"format": 1, "ranges": [{"from": 1, "options": {"erode": 7}}]}

    class Editing(fake_model):  # type: ignore[misc]
        def predict(self, faces: Any) -> Any:
            path.write_text(json.dumps(edited), encoding="utf-8")
            return super().predict(faces)

    run_merge(workspace, MergeOptions(blur=3), GivenModels(Editing()), RecordingReport())
    assert json.loads(path.read_text(encoding="utf-8")) == edited
    report = RecordingReport()
    run_merge(workspace, MergeOptions(), GivenModels(fake_model()), report)
    assert "→ 7" in report.text


def test_a_file_edited_while_a_merge_begins_keeps_the_edit(workspace: Workspace, clip: Any, fake_model: Any) -> None:
    clip(3)
    path = workspace.frames("dst") / "merge_session.json"
    edited = json.dumps({"format": 1, "ranges": [{"from": 1, "options": {"erode": 7}}]})

    class Opening(GivenModels):
        def swap(self, name: str | None, morph: float) -> Any:
            path.write_text(edited, encoding="utf-8")
            return super().swap(name, morph)

    report = RecordingReport()
    run_merge(workspace, MergeOptions(blur=3), Opening(fake_model()), report)
    assert path.read_text(encoding="utf-8") == edited
    assert "merge_session.json was edited while this run started" in report.text


def test_a_file_of_an_older_program_is_read_and_loses_what_was_made(tmp_path: Path) -> None:
    path = tmp_path / "merge_session.json"
    made = [{"frames": "1-3", "model": "a", "iteration": 5}]
    path.write_text(json.dumps({"format": 1, "ranges": [{"from": 0, "options": {"blur": 9}}], "made": made}), "utf-8")
    session = read_session(path)
    assert session.first_settings.blur == 9
    assert write_session(path, session)
    assert "made" not in json.loads(path.read_text(encoding="utf-8"))
