"""What `inspect` recommends: which footage is missing, what to throw away, what to look at."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dfl.base.wording import counted
from dfl.face_analysis.outliers import Outlier
from dfl.face_analysis.pose_coverage import CoverageGap
from dfl.faceset.faceset import FaceFile
from dfl.faceset_tools.faceset_summary import FacesetSummary
from dfl.workspace import PERSON, Side

Kind = Literal["missing", "throw away", "look", "good"]
_NAMED_GAPS = 4
_NAMED_FILES = 8
_FEW_SRC_FACES = 500
_MANY_SPARE = 0.1
_MUCH_ENLARGED = 1.5
_BRIGHTNESS_STEP = 30
_SHARPNESS_STEP = 0.15
# Means of one person in two clips are mostly nearer than this, those of the most alike two people were 0.7 apart.
_SAME_PERSON = 0.45


@dataclass(frozen=True)
class Recommendation:
    """One thing that the user should know; `command` mends it or shows more, empty when none does."""

    kind: Kind
    text: str
    command: str = ""


def recommend(sides: Mapping[Side, FacesetSummary | None], gaps: Sequence[CoverageGap]) -> list[Recommendation]:
    """All recommendations: missing footage first, then what to throw away, what to look at, what is good."""
    found = [facts for facts in sides.values() if facts]
    advice = [_no_faces(side) for side, facts in sides.items() if not facts]
    advice += _missing(sides.get("src"), sides.get("dst"), gaps)
    for facts in found:
        advice += _to_throw_away(facts)
        advice += _to_look_at(facts)
    src, dst = sides.get("src"), sides.get("dst")
    if src and dst:
        advice += _differences(src, dst)
        if not gaps:
            advice.append(Recommendation("good", "src looks in every direction in which dst looks."))
    advice += [_one_person(facts) for facts in found if facts.people and not facts.others]
    order: tuple[Kind, ...] = ("missing", "throw away", "look", "good")
    return sorted(advice, key=lambda one: order.index(one.kind))


def trash_command(side: Side, faces: Sequence[FaceFile]) -> str:
    """The command that moves these faces to the trash; the first few, when there are many."""
    return f"dfl trash {side} {' '.join(shlex.quote(face.name) for face in faces[:_NAMED_FILES])}"


def _no_faces(side: Side) -> Recommendation:
    return Recommendation("missing", f"{side} ({PERSON[side]}) has no faces.", f"dfl extract-faces {side}")


def _missing(
    src: FacesetSummary | None, dst: FacesetSummary | None, gaps: Sequence[CoverageGap]
) -> list[Recommendation]:
    advice = []
    for gap in gaps[:_NAMED_GAPS]:
        there = f"src has {gap.src_faces or 'no'} {'face' if gap.src_faces == 1 else 'faces'}"
        text = f"{gap.share:.0%} of dst's faces look {gap.words}, where {there}."
        if gap.mirrored_faces > gap.src_faces + gap.faces // 10:
            text += f" Mirrored, src has {gap.mirrored_faces}: flipping src at random helps if both halves are alike."
            advice.append(Recommendation("missing", text, "dfl train --random-src-flip"))
        else:
            advice.append(Recommendation("missing", f"{text} Add footage of src that looks so."))
    if len(gaps) > _NAMED_GAPS:
        others = sum(gap.share for gap in gaps[_NAMED_GAPS:])
        advice.append(
            Recommendation("missing", f"Another {others:.0%} of dst in {len(gaps) - _NAMED_GAPS} directions.")
        )
    if src and len(src.faces) < _FEW_SRC_FACES:
        advice.append(
            Recommendation(
                "missing", f"src has {len(src.faces)} faces. With {_FEW_SRC_FACES} or more a face learns better."
            )
        )
    return advice


def _to_throw_away(facts: FacesetSummary) -> list[Recommendation]:
    side = facts.side
    advice = []
    others = sum(len(person.faces) for person in facts.others)
    if others:
        text = f"{side}: {others} of the {facts.compared} faces that were compared are not the person seen most."
        advice.append(
            Recommendation("throw away", f"{text} See who is who, then keep the right one.", f"dfl people {side}")
        )
    if facts.outliers:
        text = f"{side}: {counted(len(facts.outliers), 'face is', 'faces are')} doubtful, {_shown(facts.outliers)}."
        if side == "dst":
            text += " Throw away what is no face; a real one that is gone is not swapped."
        else:
            text += " Look at them, and throw away those that are no faces or have their landmarks wrong."
        advice.append(
            Recommendation("throw away", text, trash_command(side, [outlier.face for outlier in facts.outliers]))
        )
    # Merging needs every face of dst, near duplicates too.
    if side == "src" and facts.spare_faces > _MANY_SPARE * len(facts.faces):
        text = f"src: {facts.spare_faces} of {len(facts.faces)} faces are near duplicates of others."
        advice.append(Recommendation("throw away", text, "dfl sort src --by near-duplicates --remove"))
    if facts.damaged:
        advice.append(
            Recommendation(
                "throw away",
                f"{side}: {counted(len(facts.damaged), 'picture is', 'pictures are')} damaged.",
                f"dfl trash {side} {' '.join(shlex.quote(name) for name in facts.damaged[:_NAMED_FILES])}",
            )
        )
    return advice


def _to_look_at(facts: FacesetSummary) -> list[Recommendation]:
    advice = []
    enlarged = float(np.median(facts.enlargements))
    if enlarged > _MUCH_ENLARGED:
        shown = round(facts.picture_sizes.most_common(1)[0][0] / enlarged / 32) * 32
        text = f"{facts.side}: faces were enlarged {enlarged:.1f} times. "
        if facts.side == "src":
            text += f"Pictures of {shown} pixels would show as much; larger footage helps more than a larger model."
        else:
            text += f"A model of more than about {shown} pixels shows no more in the result."
        advice.append(Recommendation("look", text))
    if len(facts.face_types) > 1:
        kinds = ", ".join(f"{count} {name}" for name, count in facts.face_types.most_common())
        advice.append(Recommendation("look", f"{facts.side} mixes face types: {kinds}."))
    return advice


def _differences(src: FacesetSummary, dst: FacesetSummary) -> list[Recommendation]:
    advice = []
    src_type, dst_type = (facts.face_types.most_common(1)[0][0] for facts in (src, dst))
    if src_type != dst_type:
        text = f"src's faces are {src_type}, dst's are {dst_type}: a model shows no more than the smaller of the two."
        advice.append(Recommendation("look", text))
    brighter = float(np.median(src.brightness) - np.median(dst.brightness))
    if abs(brighter) > _BRIGHTNESS_STEP:
        text = f"src is {'brighter' if brighter > 0 else 'darker'} than dst (by {abs(brighter):.0f} of 255)."
        advice.append(Recommendation("look", f"{text} Colour transfer in training and merging evens that out."))
    sharper = float(np.median(src.sharpness) - np.median(dst.sharpness))
    if sharper < -_SHARPNESS_STEP:
        advice.append(Recommendation("look", "src is less sharp than dst: the result will look softer than its frame."))
    if src.people and dst.people:
        apart = float(np.linalg.norm(src.mean_descriptor - dst.mean_descriptor))
        if apart < _SAME_PERSON:
            advice.append(Recommendation("look", "src and dst seem to be the same person."))
    return advice


def _one_person(facts: FacesetSummary) -> Recommendation:
    told = "All" if facts.compared == len(facts.faces) else f"The {facts.compared}"
    return Recommendation("good", f"{facts.side}: one person. {told} faces that were compared are alike.")


def _shown(outliers: Sequence[Outlier]) -> str:
    """The files of the worst outliers, in words."""
    names = ", ".join(outlier.face.name for outlier in outliers[:3])
    return f"most of all {names}" if len(outliers) > 3 else names
