"""`dfl`, made from the stage table. Nothing heavy is imported before a stage runs."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
import traceback
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import click

from dfl import __version__
from dfl.base.errors import Stopped, UserError
from dfl.base.output import guard_streams, lost, say
from dfl.base.stopping import stop_on_every_signal
from dfl.stages import STAGES, STEPS, Stage, hold_parts, load, run_stage, stage, start

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from dfl.base.options import Options
    from dfl.base.report import Report
    from dfl.workspace import Workspace

FIRST_WORDS = (
    "Have the consent of the people whose faces you use.",
    "Say that a video is altered when you show it to others; results are marked as made, and `dfl verify` shows it.",
    "Make no sexual content of real people.",
)
STOPPED = 130
COMMON = ("workspace", "yes", "ask", "progress")


class _StageGroup(click.Group):
    """Lists the stage table; builds a command only when it is used."""

    def list_commands(self, context: click.Context) -> list[str]:
        return [row.name for row in STAGES]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name == "step":
            return _step_command()
        row = next((row for row in STAGES if row.name == name), None)
        return _stage_command(row) if row else None

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Stages"):
            formatter.write_dl([(row.name + (" src|dst" if row.has_sides else ""), row.help) for row in STAGES])


@click.command(cls=_StageGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dfl")
def dfl() -> None:
    """Two clips in, one clip out with the other face.

    Put data_src.mp4 (the face that is put in) and data_dst.mp4 (the video it goes into) into the workspace, then run
    extract-frames and extract-faces for src and dst, train, merge, make-video. `dfl demo` shows it all once.
    """


def _stage_command(row: Stage) -> click.Command:
    """The click command of one stage, its flags from the stage's options."""
    options_class = load(row.options)
    parameters: list[click.Parameter] = [
        _parameter(name, field) for name, field in options_class.model_fields.items() if name not in COMMON
    ]

    def callback(**given: Any) -> None:
        common = {name: given.pop(name) for name in COMMON}
        _run_stages([(row, {name: value for name, value in given.items() if _is_given(value)})], common)

    return click.Command(row.name, params=parameters + _common_parameters(), callback=callback, help=row.help)


def _is_given(value: Any) -> bool:
    """Whether the user gave an option: one that may come several times is empty otherwise."""
    return value is not None and value != ()


def _step_command() -> click.Command:
    """`dfl step 1_extract_src [flags]`: what the numbered batch files call. Each stage takes the flags it knows."""

    def callback(step: str, arguments: tuple[str, ...], **common: Any) -> None:
        if step not in STEPS:
            raise UserError(f"There is no step {step}.", f"Steps: {', '.join(STEPS)}.")
        rows = [(stage(name), position) for name, *position in STEPS[step]]
        known = [_stage_command(row) for row, _ in rows]
        jobs: list[tuple[Stage, dict[str, Any]]] = []
        unknown: list[set[str]] = []
        for (row, position), command in zip(rows, known, strict=True):
            context = click.Context(
                command, ignore_unknown_options=True, allow_extra_args=True, resilient_parsing=False
            )
            rest = command.parse_args(context, [*position, *arguments])
            unknown.append({word for word in rest if word.startswith("-")})
            given = {name: value for name, value in context.params.items() if _is_given(value) and name not in COMMON}
            jobs.append((row, given))
        lost = set.intersection(*unknown)
        if lost:
            raise UserError(f"{step} knows no {', '.join(sorted(lost))}.", f"See `dfl {jobs[0][0].name} --help`.")
        _run_stages(jobs, common)

    return click.Command(
        "step",
        params=[
            click.Argument(["step"]),
            click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED),
            *_common_parameters(),
        ],
        callback=callback,
        hidden=True,
        help="Run the stages of a numbered batch file.",
        context_settings={"ignore_unknown_options": True},
    )


def _common_parameters() -> list[click.Parameter]:
    folder_type = click.Path(readable=False, path_type=Path)  # stages report one that cannot be read, also the doctor
    return [
        click.Option(["--workspace"], type=folder_type, help="The folder of clips, faces and model."),
        click.Option(["--yes"], is_flag=True, help="No questions: remembered answers and defaults."),
        click.Option(["--ask"], is_flag=True, help="Put the questions, as a double-click does."),
        click.Option(["--progress"], type=click.Choice(["auto", "plain", "json"]), default="auto", show_default=True),
    ]


def _parameter(name: str, field: FieldInfo) -> click.Parameter:
    """The flag (or positional argument) of one declared option."""
    from dfl.base.options import declared

    kind = field.annotation
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        parts = [part for part in get_args(kind) if part is not type(None)]
        kind = parts[0] if len(parts) == 1 else str  # of several kinds pydantic finds the right one
    click_type: Any = click.Choice([str(choice) for choice in get_args(kind)]) if get_origin(kind) is Literal else kind
    if kind is Path:
        click_type = click.Path(path_type=Path)
    if declared(field, "argument"):
        is_needed = field.is_required() and not declared(field, "ask")
        if get_origin(kind) is tuple:  # any number of them
            return click.Argument([name], nargs=-1, required=is_needed)
        if field.is_required() and not is_needed and get_origin(kind) is Literal:  # may be a file that was dropped
            return click.Argument([name], metavar=f"{{{'|'.join(get_args(kind))}}}", required=False)
        return click.Argument([name], type=click_type, required=is_needed)
    flag = name.replace("_", "-")
    help = field.description or ""
    if not field.is_required() and field.default not in (None, "", ()):
        shown = {True: "on", False: "off"}.get(field.default) if isinstance(field.default, bool) else field.default
        help += f" [{shown}]"
    if kind is bool:
        return click.Option([f"--{flag}/--no-{flag}"], default=None, help=help)
    if get_origin(kind) is tuple:
        return click.Option([f"--{flag}"], multiple=True, help=help)
    return click.Option([f"--{flag}"], type=click_type, default=None, help=help, required=field.is_required())


def _run_stages(jobs: list[tuple[Stage, dict[str, Any]]], common: dict[str, Any]) -> None:
    """Run stages in order in one workspace, each with the options given, asked, remembered or declared."""
    from dfl.base.report import open_report
    from dfl.workspace import Workspace, default_root

    workspace = Workspace((common["workspace"] or default_root()).absolute())
    report = open_report(common["progress"])
    _show_first_words(report)
    try:
        (first, given), *_ = jobs
        with hold_parts(first, workspace, str(given.get("side", "")), report):  # nobody changes what is asked about
            # All questions come before the first work: who has answered can go away.
            chosen = [(row, _complete(row, given, workspace, common, report)) for row, given in jobs]
            start(first, workspace, chosen[0][1], report)
        for row, options in chosen[1:]:
            run_stage(row, workspace, options, report)
    except (UserError, Stopped, KeyboardInterrupt, click.ClickException):
        raise
    except Exception as error:
        raise _to_user_error(error, workspace) or _Bug(_write_log(workspace), error) from error


def _show_first_words(report: Report) -> None:
    """Three lines before the first stage that this user ever runs; a folder that cannot be written shows them again."""
    from dfl.video.credentials import config_folder

    shown = config_folder() / "first_words_shown"
    with contextlib.suppress(OSError):
        if shown.exists():
            return
    for line in FIRST_WORDS:
        report.line(line)
    with contextlib.suppress(OSError):
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.touch()


def _to_user_error(error: Exception, workspace: Workspace) -> UserError | None:
    """What the user can do about a failure that no stage expected; None for our bugs.

    Here, and only here, everything ends that the operating system refuses: a folder that cannot be made, a lock, a name
    that is too long, a file in a folder's place.
    """
    from dfl.base.system_errors import error_path, is_refusal, to_user_error

    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] != "dfl":
        return UserError(f"A package is missing or broken: {error}.", "`dfl doctor` tells what to do.")
    if isinstance(error, OSError) and is_refusal(error):
        if error.errno == errno.ENOENT:  # also what a mistake of ours looks like
            _write_log(workspace)
        return to_user_error(error, error_path(error, workspace.root))
    return None


def _complete(
    row: Stage, given: dict[str, Any], workspace: Workspace, common: dict[str, Any], report: Report
) -> Options:
    """Flags first, then answers (asked now or remembered), then declared defaults."""
    from dfl.base.answers import Answers
    from dfl.base.asking import ask_options

    options_class = load(row.options)
    common = common | {"ask": common["ask"] and not common["yes"]}
    for name in COMMON:
        if name in options_class.model_fields and common[name] is not None:
            given[name] = common[name]
    if common["ask"]:
        _shift_dropped(options_class, given)
        _refuse_given(row, options_class, given)
        options_class.check_input(workspace.root, given)
    else:
        _need_arguments(row, options_class, given)
    if "ask" not in options_class.model_fields:  # else the stage asks by itself, when it knows its model
        store = Answers(workspace.answers, report.warn)
        key = f"{row.name} {given['side']}" if "side" in given else row.name
        answers = _still_valid(options_class, given, store.of(key), workspace.root)
        if common["ask"]:
            known = answers | given
            answers |= ask_options(
                options_class,
                known,
                skip=given.keys() | options_class.pointless_questions(workspace.root, known),
                workspace=workspace.root,
                keep=lambda answered: store.keep(key, _without_arguments(options_class, answered)),
            )
        given = answers | given
    return _made(row, options_class, given)


def _refuse_given(row: Stage, options_class: type[Options], given: dict[str, Any]) -> None:
    """UserError for a flag that cannot be, before anything is asked."""
    from pydantic import ValidationError

    try:
        options_class(**given)
    except ValidationError as error:
        wrong = [one for one in error.errors() if one["type"] != "missing"]
        if wrong:
            raise _wrong_flag(row, wrong) from error


def _made(row: Stage, options_class: type[Options], given: dict[str, Any]) -> Options:
    """The options of these values; UserError names the flag that cannot be."""
    from pydantic import ValidationError

    try:
        return options_class(**given)
    except ValidationError as error:
        raise _wrong_flag(row, error.errors()) from error


def _wrong_flag(row: Stage, errors: list[ErrorDetails]) -> UserError:
    """The first flag that cannot be, and why."""
    first = errors[0]
    flag = "--" + str(first["loc"][0]).replace("_", "-") if first["loc"] else row.name
    # Where a number or a word will do, each says what it is not.
    reasons = dict.fromkeys(one["msg"] for one in errors if one["loc"][:1] == first["loc"][:1])
    return UserError(f"{flag}: {'; or: '.join(reasons)}. Got {first['input']!r}.", f"See `dfl {row.name} --help`.")


def _shift_dropped(options_class: type[Options], given: dict[str, Any]) -> None:
    """A file that was dropped on a batch file is the first word: it belongs to the first argument that can be it."""
    from dfl.base.options import declared

    names = [name for name, field in options_class.model_fields.items() if declared(field, "argument")]
    for name, following in pairwise(names):
        choices = get_args(options_class.model_fields[name].annotation)
        if following not in given and name in given and choices and given[name] not in choices:
            given[following] = given.pop(name)


def _need_arguments(row: Stage, options_class: type[Options], given: dict[str, Any]) -> None:
    """UserError for an argument that would be asked for, if questions were put."""
    from dfl.base.options import declared

    for name, field in options_class.model_fields.items():
        if declared(field, "argument") and field.is_required() and name not in given:
            raise UserError(f"{name.upper()} is missing. {field.description}", f"See `dfl {row.name} --help`.")


def _without_arguments(options_class: type[Options], answers: dict[str, Any]) -> dict[str, Any]:
    """What of the answers is worth remembering: a file is another one each time."""
    from dfl.base.options import declared

    return {
        name: value for name, value in answers.items() if not declared(options_class.model_fields[name], "argument")
    }


def _still_valid(
    options_class: type[Options], given: dict[str, Any], answers: dict[str, Any], workspace: Path
) -> dict[str, Any]:
    """Remembered answers that this version of the program still takes beside what was given, on this machine."""
    from pydantic import ValidationError

    from dfl.base.options import declared

    for name, field in options_class.model_fields.items():
        offers = declared(field, "offers") if name in answers else None
        if offers and answers[name] not in [choice.name for choice in offers(workspace)]:
            answers = {key: value for key, value in answers.items() if key != name}

    try:
        options_class(**(answers | given))
    except ValidationError as error:
        wrong = {row["loc"][0] for row in error.errors() if row["loc"]}
        return {name: value for name, value in answers.items() if name not in wrong}
    return answers


class _Bug(Exception):
    """A failure that is ours: where its traceback was written."""

    def __init__(self, log: Path | None, error: Exception) -> None:
        super().__init__(str(error))
        self.log, self.error = log, error


def _write_log(workspace: Workspace) -> Path | None:
    """Keep the traceback in the workspace's logs; None when even that fails."""
    log = workspace.logs / time.strftime("%Y-%m-%d_%H-%M-%S.log")
    try:
        workspace.logs.mkdir(parents=True, exist_ok=True)
        log.write_text(f"dfl {__version__}, {' '.join(sys.argv)}\n{traceback.format_exc()}", encoding="utf-8")
    except OSError:
        return None
    return log


def main() -> None:
    """Entry point: 0 done, 1 a bug, 2 the user can mend it, 130 stopped."""
    guard_streams()
    stop_on_every_signal()
    if os.name == "nt":
        import colorama

        colorama.just_fix_windows_console()
    # Before numpy is loaded. Work is spread over processes; threads of its BLAS would only wait for one another: on a
    # busy machine 30 milliseconds become 400 (measured).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    code = _exit_code()
    if lost.is_cut_off and code == STOPPED:  # `| head -1`: whoever wanted to read has read enough
        code = 0
    elif lost.reason and not code:
        code = 2
    sys.exit(code)


def _exit_code() -> int:
    """Run the command; errors become messages."""
    try:
        code = int(dfl.main(standalone_mode=False) or 0)
        sys.stdout.flush()
        return code
    except UserError as error:
        say(f"Error: {error.what}\n{error.todo}")
    except click.ClickException as error:
        error.show()
    except (Stopped, KeyboardInterrupt, click.Abort):
        if not lost.is_cut_off:
            say("Stopped. What was finished is kept; the same command goes on.")
        return STOPPED
    except _Bug as bug:
        where = f"Details: {bug.log}" if bug.log else "".join(traceback.format_exception(bug.error))
        say(f"This is a bug in dfl: {type(bug.error).__name__}: {bug.error}\n{where}")
        return 1
    except OSError as error:  # before there is a workspace: the current folder was deleted
        say(f"Error: {error.strerror or error}.\nGo to a folder that is there, or name one: --workspace PATH.")
    return 2
