"""Commands and options that the documents name are there, and links lead somewhere."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from dfl.cli import COMMON
from dfl.models.options import AmpOptions, SaehdOptions, XsegOptions
from dfl.stages import STAGES

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# What other programs are told, such as torchrun and pytest.
OF_OTHERS = {
    "nnodes",
    "node_rank",
    "master_addr",
    "master_port",
    "nproc_per_node",
    "agreement_table",
    "messages",
    "version",
}
OF_MODELS = {name for kind in (SaehdOptions, AmpOptions, XsegOptions) for name in kind.model_fields}


def fields_of(stage: str) -> set[str]:
    row: Any = next((row for row in STAGES if row.name == stage), None)
    if row is None:
        return set()
    module, name = row.options.split(":")
    return set(getattr(importlib.import_module(module), name).model_fields) | set(COMMON)


def code_in(document: Path) -> list[str]:
    """What stands in backticks and in blocks."""
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_the_documents_exist(document: Path) -> None:
    names = {row.name for row in STAGES}
    wrong = []
    for code in code_in(document):
        for stage, rest in re.findall(r"\bdfl ([a-z][a-z-]+)\b([^&|]*)", code):
            if stage not in names:
                wrong.append(f"no stage {stage}: {code}")
                continue
            known = fields_of(stage)
            for flag in re.findall(r"--([a-z][a-z0-9-]*)", rest):
                name = flag.removeprefix("no-").replace("-", "_")
                if name not in known and flag.replace("-", "_") not in known:
                    wrong.append(f"{stage} has no --{flag}: {code}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path.name != "benchmarks.md"], ids=lambda path: path.name
)
def test_options_in_the_documents_exist(document: Path) -> None:
    known = {name for row in STAGES for name in fields_of(row.name)} | OF_MODELS | OF_OTHERS
    wrong = [
        code
        for code in code_in(document)
        if re.match(r"--[a-z][a-z0-9-]*( |$)", code)
        and code.split()[0][2:].removeprefix("no-").replace("-", "_") not in known
        and code.split()[0][2:].replace("-", "_") not in known
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        name, _, heading = target.partition("#")
        path = (document.parent / name) if name else document
        assert path.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in headings}
            assert heading in anchors, target


def test_tests_named_in_the_field_reports_exist() -> None:
    text = (ROOT / "docs" / "field_reports.md").read_text(encoding="utf-8")
    there = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    named = set(re.findall(r"\btest_\w+", text))
    assert len(named) > 40
    assert named <= there, sorted(named - there)


def test_the_decisions_have_a_table_of_contents() -> None:
    text = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    assert re.findall(r"^- \[(.+)\]\(#", text, re.MULTILINE) == re.findall(r"^## (.+)$", text, re.MULTILINE)
