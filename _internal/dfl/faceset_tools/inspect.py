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
    """Measure one faceset or both; write workspace/inspect.html and report the same in short."""
    wanted: tuple[Side, ...] = ("src", "dst") if options.sides == "both" else (options.sides,)
    sides: dict[Side, FacesetSummary | None] = {
        side: summarise_faceset(workspace, side, options.all, report) for side in wanted
    }
    summaries = [facts for facts in sides.values() if facts]
    if not summaries:
        raise no_faces(workspace.aligned(wanted[0]), f"Run extract-faces {wanted[0]} first.")
    src, dst = sides.get("src"), sides.get("dst")
    gaps = find_coverage_gaps(dst.poses, src.poses) if src and dst else []
    recommendations = recommend(sides, gaps)
    report.line("")
    for recommendation in recommendations:
        report.line(f"{_MARKS[recommendation.kind]:>10}  {recommendation.text}")
        if recommendation.command:
            report.line(f"{'':>10}  > {recommendation.command}")
    report.line("")
    for line in table(summaries):
        report.line(line)
    report.line("")
    write_text(workspace.inspect_page, page(sides, gaps, recommendations))
    counts = Counter(recommendation.kind for recommendation in recommendations)
    report.done(
        f"The page with pictures and maps: {workspace.inspect_page} (open it in a browser)",
        missing=counts["missing"],
        throw_away=counts["throw away"],
        look=counts["look"],
    )
