"""The stage `inspect`: what a faceset has and lacks, as a table here and as one page for a browser."""

from collections import Counter

from dfl.base.files import write_text
from dfl.base.report import Report
from dfl.face_analysis.pose_coverage import find_coverage_gaps
from dfl.faceset.faceset import no_faces
from dfl.faceset_tools.faceset_summary import FacesetSummary, summarise_faceset
from dfl.faceset_tools.inspect_page import page
from dfl.faceset_tools.inspect_table import table
from dfl.faceset_tools.options import InspectOptions
from dfl.faceset_tools.recommendations import recommend
from dfl.workspace import Side, Workspace

_MARKS = {"missing": "MISSING", "throw away": "THROW AWAY", "look": "LOOK", "good": "GOOD"}


def run(workspace: Workspace, options: InspectOptions, report: Report) -> None:
    """Look at one faceset or at both; write the page workspace/inspect.html and tell the same in short."""
    wanted: tuple[Side, ...] = ("src", "dst") if options.sides == "both" else (options.sides,)
    sides: dict[Side, FacesetSummary | None] = {
        side: summarise_faceset(workspace, side, options.all, report) for side in wanted
    }
    found = [facts for facts in sides.values() if facts]
    if not found:
        raise no_faces(workspace.aligned(wanted[0]), f"Run extract-faces {wanted[0]} first.")
    src, dst = sides.get("src"), sides.get("dst")
    holes = find_coverage_gaps(dst.poses, src.poses) if src and dst else []
    verdicts = recommend(sides, holes)
    report.line("")
    for verdict in verdicts:
        report.line(f"{_MARKS[verdict.kind]:>10}  {verdict.text}")
        if verdict.command:
            report.line(f"{'':>10}  > {verdict.command}")
    report.line("")
    for line in table(found):
        report.line(line)
    report.line("")
    write_text(workspace.inspect_page, page(sides, holes, verdicts))
    counts = Counter(verdict.kind for verdict in verdicts)
    report.done(
        f"The page with pictures and maps: {workspace.inspect_page} (open it in a browser)",
        missing=counts["missing"],
        throw_away=counts["throw away"],
        look=counts["look"],
    )
