"""clip.json: which clip a side's frames came from, and when each of them is shown. Written last, when all are there."""

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dfl.base.errors import UserError
from dfl.base.files import read_json, write_json
from dfl.video.clip import Reading
from dfl.video.interlacing import Fields
from dfl.video.timeline import Gaps

_SAMPLE = 2**20


NAME_DIGITS = 5  # of a frame's file name, more where a clip has more frames


class Source(BaseModel):
    """Which file frames were taken from, and how. Equal sources give equal pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size: int  # bytes
    fingerprint: str  # SHA-256 of the first, the middle and the last mebibyte
    picture_format: Literal["png", "jpg"]
    fps: Fraction = Field(ge=0)  # 0: all frames
    digits: int = Field(ge=1, le=12)  # of a frame's file name
    video_stream: int = Field(default=0, ge=0)  # of those that show pictures; the first before it was noted
    gaps: Gaps = "auto"  # how times without pictures were treated
    fields: Fields = ""  # how frames were deinterlaced; not at all before it was noted

    @property
    def reading(self) -> Reading:
        """How the clip was read."""
        return Reading(self.video_stream, self.gaps, self.fields or "off")

    def is_from(self, other: "Source") -> bool:
        """Whether both were taken from the same clip, in whatever way and under whatever name."""
        return (self.size, self.fingerprint) == (other.size, other.fingerprint)

    def gives_same_frames(self, other: "Source") -> bool:
        """Whether the same pictures come out under the same names."""
        known = {"name": other.name}
        if not self.fps:
            known["gaps"] = other.gaps  # which changes times alone
        return self.model_copy(update=known) == other

    def frame_name(self, number: int) -> str:
        """The file name of the frame of that number (from 1)."""
        return f"{number:0{self.digits}d}.{self.picture_format}"


class ClipFacts(BaseModel):
    """What clip.json holds. Frame i (from 0) has the name `source.frame_name(i + 1)` and is shown at `times[i]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Source
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    pixel_aspect: Fraction = Field(gt=0)
    rate: Fraction = Field(gt=0)  # frames a second of the clip
    time_base: Fraction = Field(gt=0)  # seconds of one tick
    times: list[int] = Field(min_length=1)  # ticks from the clip's start, rising
    end: int  # ticks: when the last frame stops being shown
    primaries: int  # colours of the pictures: code points of ITU-T H.273
    transfer: int
    matrix: int = 1  # by which the result is coded, as the clip was; of facts written before it was noted: BT.709
    is_full_range: bool = False
    has_mended_times: bool = False  # by the clip's timeline; false of facts written before there was one

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if any(later <= earlier for earlier, later in zip(self.times, [*self.times[1:], self.end], strict=True)):
            raise ValueError("times do not rise")
        return self

    def frame_names(self) -> list[str]:
        """The file names of all frames, in the order of the clip."""
        return [self.source.frame_name(number) for number in range(1, len(self.times) + 1)]


def fingerprint(path: Path) -> str:
    """A SHA-256 that distinguishes clips without reading gigabytes: first, middle and last mebibyte."""
    size, digest = path.stat().st_size, hashlib.sha256()
    with path.open("rb") as handle:
        for offset in (0, size // 2, max(0, size - _SAMPLE)):
            handle.seek(offset)
            digest.update(handle.read(_SAMPLE))
    return digest.hexdigest()


def read_facts(path: Path) -> ClipFacts | None:
    """Read a clip.json; None when there is none. A damaged one is a UserError."""
    if not path.is_file():
        return None
    try:
        return ClipFacts.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"{path} cannot be used: {'.'.join(map(str, first['loc']))}: {first['msg']}.",
            "Move the pictures of that folder and this file away, then run extract-frames again.",
        ) from error


def reading_of(facts: Path, clip: Path) -> Reading | None:
    """How the frames' clip was read, by a side's clip.json; None where there is none, or it is of another clip."""
    found = read_facts(facts)
    return found.source.reading if found and found.source.size == clip.stat().st_size else None


def write_facts(path: Path, facts: ClipFacts) -> None:
    """Write a clip.json, whole or not at all."""
    write_json(path, facts.model_dump(mode="json"))
