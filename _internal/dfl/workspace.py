"""Every folder and file name of a workspace."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dfl.base.errors import UserError
from dfl.base.listing import is_hidden

Side = Literal["src", "dst"]
# Names of files and folders that stand in several folders, or in whichever a function is given.
# Beside the frames of a side:
CLIP_FACTS = "clip.json"
CLIP_UNFINISHED = "clip.unfinished.json"
FOUND_FACES = "found_faces.jsonl"
FRAMES_WITHOUT_FACE = "frames_without_face.txt"
DOUBTFUL_FACES = "doubtful_faces.txt"
DENOISE_JOURNAL = "denoise.json"
FRAMES_DENOISING = "frames_denoising"
FRAMES_BEFORE_DENOISE = "frames_before_denoise"
MERGE_CUTS = "merge_cuts.json"
MERGE_SESSION = "merge_session.json"
MERGE_MADE = "merge_made.json"
MERGED_CROPS = "merged_crops"
MERGED_SET_ASIDE = "merged_set_aside"
MERGED_VIDEO = "merged_video"
# In a faceset's folder, or in one derived from it:
FACESET_INDEX = "faceset.json"
FACESET_LOCK = ".faceset.lock"
FACESET_PAK = "faceset.pak"
META_DAT = "meta.dat"
EXTRACTION_JOURNAL = "extraction.jsonl"
MEASURES = "measures.sqlite3"
RENAMING = "renaming"
RENAMING_JOURNAL = "renaming.json"
RENAMING_LOCK = "renaming.lock"
TRASH_JOURNAL = "trash.jsonl"
RESIZE_JOURNAL = "resize.json"
ENHANCE_JOURNAL = "enhance.json"
# Beside merged pictures:
MERGE_FACTS = "merge.json"
MERGE_JOURNAL = "merge.journal"
PERSON = {"src": "the face that is put in", "dst": "the video it goes into"}
# fmt: off
VIDEO_SUFFIXES = (
    ".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".gif", ".3gp", ".3g2",
    ".mts", ".m2ts", ".m2t", ".m2v", ".mpv", ".vob", ".dv", ".mxf", ".asf", ".ogv", ".ogm", ".rm", ".rmvb", ".divx",
    ".f4v", ".qt", ".h264", ".264", ".h265", ".hevc", ".265", ".ivf", ".obu", ".nut", ".wtv", ".mod", ".tod", ".amv",
    ".apng",
)
# Files with a clip's name that are no clip. A type that is in no list may be a video.
_PICTURES = (
    ".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".pnm", ".avif",
    ".heic", ".heif", ".jp2", ".jxl", ".dng", ".cr2", ".nef", ".arw", ".exr", ".hdr", ".ico", ".tga", ".psd",
)
_SOUNDS = (
    ".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".oga", ".opus", ".wma", ".ac3", ".eac3", ".dts", ".aiff", ".aif",
    ".mka", ".mid", ".amr", ".caf",
)
_NOTES = (
    ".json", ".txt", ".srt", ".ass", ".ssa", ".vtt", ".sub", ".idx", ".sup", ".smi", ".lrc", ".nfo", ".xml", ".xmp",
    ".thm", ".csv", ".log", ".md", ".url", ".html", ".lnk", ".edl", ".torrent", ".aria2", ".part", ".crdownload",
    ".ytdl", ".tmp", ".md5", ".zip", ".rar", ".7z", ".pdf", ".ffindex",
)
# fmt: on


@dataclass(frozen=True)
class Workspace:
    """The user's folder. Paths only; nothing here reads or writes but `create` and `clip`."""

    root: Path

    def frames(self, side: Side) -> Path:
        """Frames of a side's clip as pictures: data_src or data_dst."""
        return self.root / f"data_{side}"

    def clip_facts(self, side: Side) -> Path:
        """What the frames came from: source file, frame rate, the time of every frame."""
        return self.frames(side) / CLIP_FACTS

    def clip_unfinished(self, side: Side) -> Path:
        """What extract-frames takes frames from, until clip_facts is there."""
        return self.frames(side) / CLIP_UNFINISHED

    def denoise_journal(self, side: Side) -> Path:
        """Which frames were denoised, and how."""
        return self.frames(side) / DENOISE_JOURNAL

    def found_faces(self, side: Side) -> Path:
        """The faces that were found in each frame."""
        return self.frames(side) / FOUND_FACES

    def aligned(self, side: Side) -> Path:
        """The faceset of a side."""
        return self.frames(side) / "aligned"

    def extraction_journal(self, side: Side) -> Path:
        """The faces that were cut out of each frame, and with which options."""
        return self.aligned(side) / EXTRACTION_JOURNAL

    def doubtful_faces_sheet(self, side: Side) -> Path:
        """The faces that extraction is least sure of; not among the frames, where it would be taken for one."""
        return self.root / f"doubtful_faces_{side}.jpg"

    def aligned_debug(self, side: Side) -> Path:
        """Frames with the found landmarks drawn in."""
        return self.frames(side) / "aligned_debug"

    def aligned_trash(self, side: Side) -> Path:
        """Faces that were taken out of the faceset; they can be put back."""
        return self.frames(side) / "aligned_trash"

    def aligned_people(self, side: Side) -> Path:
        """One contact sheet for every person of the faceset."""
        return self.frames(side) / "aligned_people"

    @property
    def pretraining_faces(self) -> Path:
        """Aligned faces of many people, or a pack of them, that models are pretrained on."""
        return self.root / "pretraining_faces"

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def model_trash(self) -> Path:
        """Models that were deleted; moved back into `model`, they are there again."""
        return self.root / "model_trash"

    @property
    def merged(self) -> Path:
        return self.frames("dst") / "merged"

    @property
    def merged_mask(self) -> Path:
        return self.frames("dst") / "merged_mask"

    @property
    def merge_facts(self) -> Path:
        """What the merged pictures were made with."""
        return self.merged / MERGE_FACTS

    @property
    def merge_session(self) -> Path:
        """The settings of merge, for ranges of frames and for people."""
        return self.frames("dst") / MERGE_SESSION

    @property
    def merged_video(self) -> Path:
        """The parts of a result that merge --to-video writes."""
        return self.frames("dst") / MERGED_VIDEO

    @property
    def merged_sheet(self) -> Path:
        """Merged frames as one picture."""
        return self.root / "merged_sheet.png"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def running(self) -> Path:
        """What runs in this workspace: a lock for every stage, and who it is."""
        return self.logs / "running"

    @property
    def inspect_page(self) -> Path:
        """What `inspect` found, as one page for a browser."""
        return self.root / "inspect.html"

    @property
    def answers(self) -> Path:
        """Remembered answers to a stage's questions."""
        return self.root / "answers.json"

    def result(self, suffix: str) -> Path:
        return self.root / f"result{suffix}"

    def result_mask(self, suffix: str) -> Path:
        return self.root / f"result_mask{suffix}"

    def obstacle(self, parts: Iterable[str]) -> UserError | None:
        """The error for a file, or a dangling link, where a folder should be: the workspace or parts of it."""
        folders = [self.root] + [self.root / part for part in parts if part.startswith(("data_", "model"))]
        for folder in dict.fromkeys(folder for path in folders for folder in (*reversed(path.parents), path)):
            if folder.is_file():
                is_clip = folder in (self.frames("src"), self.frames("dst"))
                clip = f" If it is the clip, give it its type: {folder.name}.mp4." if is_clip else ""
                return UserError(
                    f"{folder} is a file, where a folder should be.",
                    f"Move it to another place, or choose another folder with --workspace PATH.{clip}",
                )
            if folder.is_symlink() and not folder.exists():
                return UserError(
                    f"{folder} is a link that leads nowhere.", "Connect the disk that it leads to, or remove the link."
                )
        return None

    def create(self) -> None:
        """Make the folders that are missing."""
        for folder in (self.aligned("src"), self.aligned("dst"), self.model, self.logs):
            folder.mkdir(parents=True, exist_ok=True)

    def clip(self, side: Side) -> Path:
        """The side's video file; a UserError says which file to put where when it is missing or not alone."""
        found = self.clips(side)
        if len(found) == 1:
            return found[0]
        name = f"data_{side}"
        if found:
            names = ", ".join(path.name for path in found)
            raise UserError(
                f"{self.root} has more than one {name} video: {names}.", "Keep one and move the others away."
            )
        others = [path for path in self._named(side) if path.suffix.lower() in _PICTURES + _SOUNDS]
        if others and others[0].suffix.lower() in _PICTURES:
            raise UserError(
                f"No {name} video in {self.root}, but a picture: {others[0].name}.",
                f"Pictures that are to be the frames go into {self.frames(side)}; convert an animated one to mp4.",
            )
        likely = (self.root / f"{name}{kind}" for kind in VIDEO_SUFFIXES)
        folder = next((path for path in likely if path.is_dir()), None)
        if folder:
            raise UserError(
                f"No {name} video in {self.root}: {folder.name} is a folder.",
                "Move the video out of it, or give that folder another name.",
            )
        hint = f" ({others[0].name} is sound)" if others else ""
        raise UserError(f"No {name} video in {self.root}{hint}.", self._advice(side))

    def clips(self, side: Side) -> list[Path]:
        """The files that may be a side's clip: those of a video's type, else those of a type that is not known."""
        named = self._named(side)
        videos = [path for path in named if path.suffix.lower() in VIDEO_SUFFIXES]
        return videos or [path for path in named if path.suffix.lower() not in _PICTURES + _SOUNDS + _NOTES]

    def _named(self, side: Side) -> list[Path]:
        """All files that are called as a side's clip, whatever their type."""
        if not self.root.is_dir():
            return []
        return [path for path in sorted(self.root.iterdir()) if path.stem.lower() == f"data_{side}" and path.is_file()]

    def _advice(self, side: Side) -> str:
        wanted = self.root / f"data_{side}.mp4"
        videos = []
        for folder in (self.root, self.frames(side)):
            if folder.is_dir():
                videos += [path for path in sorted(folder.iterdir()) if _may_be_the_clip(path, side)]
        if videos:
            return f"Found {videos[0]}: if that is {PERSON[side]}, move it to {wanted.with_suffix(videos[0].suffix)}."
        return f"Put {PERSON[side]} there as {wanted} (any video type), or choose the folder with --workspace PATH."


def _may_be_the_clip(path: Path, side: Side) -> bool:
    """A video that is neither the other side's clip nor a result, as it is or from before."""
    stem = path.stem.lower()
    is_other = stem in {"data_src", "data_dst", "result"} - {f"data_{side}"} or stem.startswith(
        ("result_", "earlier_result")
    )
    return path.suffix.lower() in VIDEO_SUFFIXES and not is_other and path.is_file() and not is_hidden(path)


def default_root() -> Path:
    """The `workspace` folder of the batch files; in the current folder when the package was installed elsewhere."""
    bundle = Path(__file__).resolve().parents[2]
    return bundle / "workspace" if (bundle / "_internal" / "run.bat").is_file() else Path.cwd() / "workspace"
