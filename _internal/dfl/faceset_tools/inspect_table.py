"""The facts of facesets in words: one column for each set."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfl.faceset_tools.faceset_summary import FacesetSummary


def table(found: Sequence[FacesetSummary]) -> list[str]:
    """Lines of a table with one column for each faceset."""
    columns: list[list[str]] = [[facts.side for facts in found]]
    rows = [facts_in_words(facts) for facts in found]
    columns += [[row[name] for row in rows] for name in rows[0]]
    names = ["", *rows[0]]
    width = max(len(name) for name in names)
    widths = [max(len(column[number]) for column in columns) for number in range(len(found))]
    return [
        "  ".join([name.ljust(width), *(cell.ljust(size) for cell, size in zip(cells, widths, strict=True))]).rstrip()
        for name, cells in zip(names, columns, strict=True)
    ]


def facts_in_words(facts: FacesetSummary) -> dict[str, str]:
    """A faceset's counts and ranges by name: what the table and the page show."""
    return {
        "faces": str(len(facts.faces)),
        "face type": _most(facts.face_types).replace("_", " "),
        "picture size": _most(facts.picture_sizes, " px"),
        "face in the frame": _range(facts.source_sizes, "{:.0f} px"),
        "enlarged": _range(facts.enlargements, "{:.2f} times"),
        "sharpness": _range(facts.sharpness, "{:.2f}"),
        "brightness": _range(facts.brightness, "{:.0f}"),
        "people": f"{facts.people_count} in {facts.compared} faces",
        "doubtful faces": str(len(facts.outliers)),
        "near duplicates": str(facts.spare_faces),
        "damaged pictures": str(len(facts.damaged)),
    }


def _most(counts: Counter[Any], unit: str = "") -> str:
    """The most frequent values with their counts; one alone without."""
    if len(counts) == 1:
        return f"{next(iter(counts))}{unit}"
    told = [f"{value}{unit} ({count})" for value, count in counts.most_common(3)]
    return ", ".join(told) + (" ..." if len(counts) > 3 else "")


def _range(values: NDArray[np.float64], form: str) -> str:
    low, middle, high = np.percentile(values, (5, 50, 95))
    return f"{form.format(middle)} ({form.format(low).split()[0]} to {form.format(high).split()[0]})"
