"""The page that `inspect` writes: one HTML file that needs no network, no script and no other file."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from dfl import __version__
from dfl.base.errors import UserError
from dfl.base.evenly_spaced import evenly_spaced
from dfl.base.pictures import encode_picture
from dfl.face_analysis.clustering import NOBODY
from dfl.face_analysis.pose_coverage import CoverageGap, is_lacking
from dfl.faceset.faceset import FaceFile
from dfl.faceset_tools.faceset_summary import FacesetSummary
from dfl.faceset_tools.inspect_drawings import COLOURS, LACKING, histogram, pose_map
from dfl.faceset_tools.inspect_table import facts_in_words
from dfl.faceset_tools.recommendations import Recommendation, trash_command
from dfl.workspace import Side

_THUMBNAIL_PIXELS, _THUMBNAIL_QUALITY = 112, 75
_SAMPLES = 8
_SHOWN_OUTLIERS = 24
_SHOWN_GROUPS = 6
_SHOWN_PEOPLE = 6

_STYLE = f"""
:root {{ color-scheme: light; }}
body {{ margin: 0 auto; padding: 24px 20px 60px; max-width: 1000px; background: #fafafa; color: #222;
  font: 15px/1.5 system-ui, "Segoe UI", sans-serif; }}
h1 {{ font-size: 26px; margin: 0 0 4px; }} h2 {{ font-size: 19px; margin: 36px 0 8px; }}
h3 {{ font-size: 15px; margin: 18px 0 4px; }}
p {{ margin: 4px 0; }} .soft {{ color: #666; }}
section, ul.recommendations li {{ background: #fff; border: 1px solid #e2e2e2; border-radius: 6px; }}
section {{ padding: 12px 16px; }}
ul.recommendations {{ list-style: none; padding: 0; margin: 14px 0; }}
ul.recommendations li {{ padding: 8px 12px; margin: 6px 0; border-left: 5px solid #999;
  display: grid; grid-template-columns: 108px 1fr; }}
li.missing {{ border-left-color: {LACKING} !important; }} li.throw-away {{ border-left-color: #d9822b !important; }}
li.look {{ border-left-color: #caa800 !important; }} li.good {{ border-left-color: #3f9142 !important; }}
code {{ display: inline-block; background: #f0f2f5; border-radius: 4px; padding: 1px 6px; font-size: 13px;
  font-family: ui-monospace, Consolas, monospace; overflow-wrap: anywhere; user-select: all; }}
table {{ border-collapse: collapse; width: 100%; }} th, td {{ text-align: left; padding: 3px 14px 3px 0; }}
tr + tr {{ border-top: 1px solid #eee; }} th {{ font-weight: 600; }}
svg text {{ font: 12px system-ui, "Segoe UI", sans-serif; fill: #555; }}
.map {{ width: 100%; }} .ground {{ fill: #f6f7f9; }} .line {{ stroke: #d5d8dc; fill: none; }} .axis {{ stroke: #888; }}
.spreads {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 8px 28px; }}
.spread {{ width: 100%; }}
.key::before {{ content: ""; display: inline-block; width: 11px; height: 11px; border-radius: 6px; margin-right: 6px;
  background: var(--colour); }} p .key {{ margin-right: 16px; }}
.faces {{ display: flex; flex-wrap: wrap; gap: 8px; margin: 6px 0; }}
figure {{ margin: 0; width: {_THUMBNAIL_PIXELS}px; font-size: 11px; line-height: 1.3; overflow-wrap: anywhere; }}
figure img {{ display: block; width: {_THUMBNAIL_PIXELS}px; height: {_THUMBNAIL_PIXELS}px; border-radius: 4px; }}
"""

_INTRODUCTION = (
    '<p class="soft">src is the face that is put in, dst the video it goes into. Left and right are the picture\'s. '
    "Commands can be copied; what they move to the trash comes back with <code>dfl restore</code>.</p>"
)


def page(
    sides: Mapping[Side, FacesetSummary | None], gaps: Sequence[CoverageGap], recommendations: Sequence[Recommendation]
) -> str:
    """The whole page. Every name from a file is escaped; pictures are small JPEGs inside the page."""
    found = [facts for facts in sides.values() if facts]
    parts = [
        f"<h1>{escape(' and '.join(facts.side for facts in found))}, inspected</h1>",
        _INTRODUCTION,
        _recommendations(recommendations),
        _facts(found),
        _directions(found, gaps),
        _spreads(found),
        *(_people(facts) for facts in found),
        *(_outliers(facts) for facts in found if facts.outliers),
        *(_duplicates(facts) for facts in found if facts.duplicates),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="generator" content="dfl {escape(__version__)}">'
        f"<title>Facesets</title><style>{_STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _recommendations(recommendations: Sequence[Recommendation]) -> str:
    rows = [
        f'<li class="{one.kind.replace(" ", "-")}"><b>{one.kind}</b> <span>{escape(one.text)} '
        f"{_command(one.command)}</span></li>"
        for one in recommendations
    ]
    return f'<ul class="recommendations">{"".join(rows)}</ul>'


def _facts(found: Sequence[FacesetSummary]) -> str:
    columns = [facts_in_words(facts) for facts in found]
    head = "".join(f"<th>{_key(facts.side)}</th>" for facts in found)
    rows = [
        f"<tr><th>{escape(name)}</th>{''.join(f'<td>{escape(column[name])}</td>' for column in columns)}</tr>"
        for name in columns[0]
    ]
    samples = [
        f"<h3>{_key(facts.side)} {len(facts.faces)} faces, from first to last</h3>"
        + _faces([(face, "") for face in evenly_spaced(facts.faces, _SAMPLES)])
        for facts in found
    ]
    return (
        f"<h2>What is there</h2><section><table><tr><th></th>{head}</tr>{''.join(rows)}</table>"
        '<p class="soft">The middle value, and in brackets where nine of ten faces lie.</p></section>'
        + "".join(samples)
    )


def _directions(found: Sequence[FacesetSummary], gaps: Sequence[CoverageGap]) -> str:
    poses: dict[Side, NDArray[np.float64]] = {facts.side: facts.poses for facts in found}
    has_both = len(poses) == 2
    lacking = is_lacking(poses["dst"], poses["src"]) if has_both else None
    key = "".join(_key(side) for side in poses)
    if has_both:
        key += f'<span class="key" style="--colour:{LACKING}">dst where src lacks faces</span>'
    rows = [
        f"<tr><td>{escape(gap.words)}</td><td>{gap.faces} ({gap.share:.1%})</td><td>{gap.src_faces}</td>"
        f"<td>{gap.mirrored_faces}</td></tr>"
        for gap in gaps
    ]
    table = (
        "<table><tr><th>dst looks</th><th>faces of dst that src lacks</th><th>src has there</th><th>mirrored</th></tr>"
        f"{''.join(rows)}</table>"
        if rows
        else ""
    )
    return (
        f"<h2>Where they look</h2><section><p>{key}</p>{pose_map(poses, lacking)}{table}"
        '<p class="soft">Darker and larger means more faces. Directions are read from landmarks, and a near profile '
        "reads as less than it is.</p></section>"
    )


def _spreads(found: Sequence[FacesetSummary]) -> str:
    def values(name: str) -> dict[Side, NDArray[np.float64]]:
        return {facts.side: getattr(facts, name) for facts in found}

    largest = max(float(np.percentile(facts.source_sizes, 99)) for facts in found)
    most = max(float(np.percentile(facts.enlargements, 99)) for facts in found)
    drawings = {
        "Sharpness (0 to 1)": histogram(values("sharpness"), 0, 1),
        "Brightness (0 to 255)": histogram(values("brightness"), 0, 255),
        "Face in the frame, pixels": histogram(values("source_sizes"), 0, np.ceil(largest / 20) * 20),
        "Enlarged, times": histogram(values("enlargements"), 0, max(2.0, np.ceil(most))),
    }
    parts = [f"<div><h3>{escape(name)}</h3>{drawing}</div>" for name, drawing in drawings.items()]
    return f'<h2>How good they are</h2><section><div class="spreads">{"".join(parts)}</div></section>'


def _people(facts: FacesetSummary) -> str:
    side = facts.side
    parts = []
    for person in facts.people[:_SHOWN_PEOPLE]:
        name = f"person {person.number}" if person.number != NOBODY else "like too few others"
        shown = [(face, face.name) for face in evenly_spaced(person.faces, _SAMPLES)]
        parts.append(
            f"<h3>{name}: {len(person.faces)} {'face' if len(person.faces) == 1 else 'faces'}</h3>{_faces(shown)}"
        )
    if len(facts.people) > _SHOWN_PEOPLE:
        parts.append(f"<p>and {len(facts.people) - _SHOWN_PEOPLE} more</p>")
    told = f"{facts.compared} of {len(facts.faces)} faces were compared, the most typical ones are first."
    if facts.others:
        told += (
            f" {_command(f'dfl people {side}')} sorts all faces, {_command(f'dfl people {side} --keep 1')} keeps one."
        )
    return f'<h2>{_key(side)} Who it is</h2><section><p class="soft">{told}</p>{"".join(parts)}</section>'


def _outliers(facts: FacesetSummary) -> str:
    shown = facts.outliers[:_SHOWN_OUTLIERS]
    pictures = _faces([(outlier.face, f"{outlier.face.name}: {'; '.join(outlier.reasons)}") for outlier in shown])
    command = _command(trash_command(facts.side, [outlier.face for outlier in shown]))
    more = f"<p>and {len(facts.outliers) - len(shown)} more</p>" if len(facts.outliers) > len(shown) else ""
    return (
        f'<h2>{_key(facts.side)} Doubtful faces</h2><section><p class="soft">The worst first; look before you throw '
        f"away. {command}</p>{pictures}{more}</section>"
    )


def _duplicates(facts: FacesetSummary) -> str:
    groups = [
        f"<h3>{len(group)} faces like {escape(group[0].name)}</h3>"
        + _faces([(face, face.name) for face in evenly_spaced(group, _SAMPLES)])
        for group in facts.duplicates[:_SHOWN_GROUPS]
    ]
    advice = (
        f"Keep the sharpest of each: {_command('dfl sort src --by near-duplicates --remove')}"
        if facts.side == "src"
        else "Merging needs a face for every frame of dst: keep them."
    )
    return (
        f'<h2>{_key(facts.side)} Near duplicates</h2><section><p class="soft">{facts.spare_faces} faces in '
        f"{len(facts.duplicates)} groups. {advice}</p>{''.join(groups)}</section>"
    )


def _faces(shown: Sequence[tuple[FaceFile, str]]) -> str:
    """Small pictures with words below; damaged ones are left out."""
    figures = []
    for face, words in shown:
        address = _data_address(face)
        if address:
            caption = f"<figcaption>{escape(words)}</figcaption>" if words else ""
            figures.append(
                f'<figure><img src="{address}" alt="{escape(face.name)}" title="{escape(face.name)}">{caption}</figure>'
            )
    return f'<div class="faces">{"".join(figures)}</div>'


def _data_address(face: FaceFile) -> str:
    """The face as a small JPEG inside an address; empty when it cannot be read."""
    try:
        picture = face.read_picture()
    except UserError:
        return ""
    size = (_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS)
    content = encode_picture(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), ".jpg", _THUMBNAIL_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"


def _key(side: Side) -> str:
    return f'<span class="key" style="--colour:{COLOURS[side]}">{side}</span>'


def _command(command: str) -> str:
    return f"<code>{escape(command)}</code>" if command else ""
