"""How steady and how true landmarks are, in tables.

    python -m tools.benchmarks.landmarks DATA [jitter] [motion] [warp] [speech] [align] [--settings fast thorough best]
        [--pictures FOLDER]

DATA holds the folders pair, hard and identities with clips of faces. Lengths are per cent of the distance between the
outer corners of the eyes (of a face towards the camera, so that turned faces do not count more); "smooth" is after
smooth_track. --pictures writes what to look at: columns of aligned faces side by side over time, raw above smooth.
"""

import argparse
import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture, decode_picture, encode_picture, read_picture, write_picture
from dfl.faces.align import alignment_matrix
from dfl.faces.dlib_faces import DlibFaces
from dfl.faces.face_type import FaceType
from dfl.faces.find import FaceFinder
from dfl.faces.pose import pitch_yaw_roll
from dfl.faces.smoothing import smooth_track
from dfl.video.read import read_frames
from dfl.video.read_clip import read_clip

Track = NDArray[np.float32]  # (T, 68, 2) frame pixels
Field = Callable[[NDArray[np.float64]], NDArray[np.float64]]

STILLS = {
    "pair/data_src.mp4": (40, 260, 420),
    "pair/data_dst.mp4": (100, 300, 520),
    "hard/portrait.mp4": (60,),
    "hard/glasses_motion.mp4": (30,),
    "hard/occlusion_hand.mp4": (10,),
    "hard/dark.mp4": (30,),
    "hard/blurred_lowres.mp4": (30,),
    "hard/profile.mp4": (12,),
}
PERSONS = ("person_c/t4.jpg", "person_d/t1.jpg", "person_e/t2.jpg")
FRONTAL_CLIPS = ("odd_427x241.mp4", "portrait.mp4", "ntsc_2997.mov", "vfr.mp4", "rot90_meta.mp4", "very_wide.mp4")
GRAIN = 5.0
STILL_FRAMES = 40
EYES = (36, 45)


def frames_of(path: Path, count: int = 10**9, step: int = 1) -> list[Picture]:
    """Every step-th of the first `count` frames."""
    kept: list[Picture] = []
    for number, frame in enumerate(read_frames(read_clip(path), lambda *_: None)):
        if number >= count:
            break
        if number % step == 0:
            kept.append(frame.picture)
    return kept


def through_x264(frames: Sequence[Picture]) -> list[Picture]:
    """Coded with crf 23 and decoded again; odd sides lose a pixel."""
    height, width = (side - side % 2 for side in frames[0].shape[:2])
    memory = io.BytesIO()
    with av.open(memory, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "23"})
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = width, height, "yuv420p", 1
        for frame in frames:
            picture = np.ascontiguousarray(frame[:height, :width])
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        output.mux(stream.encode())
    memory.seek(0)
    with av.open(memory) as coded:
        return [frame.to_ndarray(format="bgr24") for frame in coded.decode(video=0)]


def through_jpeg(frames: Sequence[Picture]) -> list[Picture]:
    """Each frame a JPEG of a quality of its own."""
    rng = np.random.default_rng(2)
    return [decode_picture(encode_picture(frame, ".jpg", int(rng.integers(60, 91))), "") for frame in frames]


def grainy(picture: Picture, rng: np.random.Generator, strength: float = GRAIN) -> Picture:
    return np.clip(picture + rng.normal(0, strength, picture.shape), 0, 255).astype(np.uint8)


def find_track(finder: FaceFinder, frames: Sequence[Picture]) -> Track | None:
    """The landmarks of one face, found anew in every frame; None when a frame has none."""
    track: list[NDArray[np.float32]] = []
    for frame in frames:
        faces = [face.landmarks for face in finder.find(frame)]
        if not faces:
            return None
        track.append(min(faces, key=lambda one: float(np.abs(one - track[-1]).mean())) if track else faces[0])
    return np.array(track)


def size_of(track: Track) -> float:
    """The eyes' distance as it would be towards the camera: the aligned square knows it at any yaw."""
    maps = [alignment_matrix(landmarks, 1, FaceType.FULL) for landmarks in track]
    return float(np.mean([0.475 / np.sqrt(abs(np.linalg.det(one[:, :2]))) for one in maps]))


def movement(track: Track) -> float:
    """Mean way of a landmark from frame to frame."""
    return 100 * float(np.linalg.norm(np.diff(track, axis=0), axis=2).mean()) / size_of(track)


def error(track: Track, true: NDArray[np.float64]) -> float:
    """Root mean square distance from the true landmarks."""
    return 100 * float(np.sqrt(((track - true) ** 2).sum(axis=2).mean())) / size_of(track)


def stills(data: Path) -> Iterator[tuple[str, Picture]]:
    for name, numbers in STILLS.items():
        frames = frames_of(data / name, max(numbers) + 1)
        for number in numbers:
            yield f"{Path(name).stem} {number}", frames[number]
    for name in PERSONS:
        yield name, read_picture(data / "identities" / name)


def measure_jitter(data: Path, finders: dict[str, FaceFinder]) -> None:
    print(f"\nStill pictures as clips of {STILL_FRAMES} frames: movement from frame to frame, raw > smooth (ratio)")
    print("| picture | codec | " + " | ".join(finders) + " |\n|---|---|" + "---|" * len(finders))
    sums: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for name, picture in stills(data):
        rng = np.random.default_rng(1)
        noisy = [grainy(picture, rng) for _ in range(STILL_FRAMES)]
        for codec, frames in (("x264", through_x264(noisy)), ("JPEG", through_jpeg(noisy))):
            cells = []
            for setting, finder in finders.items():
                track = find_track(finder, frames)
                if track is None:
                    cells.append("lost")
                    continue
                raw, smooth = movement(track), movement(smooth_track(track))
                sums.setdefault((codec, setting), []).append((raw, smooth))
                cells.append(f"{raw:.2f} > {smooth:.2f} ({raw / smooth:.1f})")
            print(f"| {name} | {codec} | " + " | ".join(cells) + " |", flush=True)
    for (codec, setting), pairs in sums.items():
        raws, smooths = np.array(pairs).T
        print(
            f"{codec} {setting}: mean {raws.mean():.3f} > {smooths.mean():.3f}, ratio of means "
            f"{raws.mean() / smooths.mean():.1f}, median ratio {np.median(raws / smooths):.1f}"
        )


def ways(frames: int) -> dict[str, NDArray[np.float64]]:
    """Similarities as complex numbers: shift in eye distances, log scale + i angle: (frames, 2)."""
    t = np.arange(frames)
    still = np.zeros(frames)
    wave = np.sin(2 * np.pi * t / 25)
    shifts = {
        "constant speed": 0.05 * t - 1.2,
        "sine, 1 s": 0.5 * wave,
        "sine, 0.4 s": 0.2 * np.sin(2 * np.pi * t / 10),
        "small sine, 1 s": 0.02 * wave,
        "sudden stop": 0.06 * np.minimum(t, frames // 2) - 0.7,
        "turning point": 0.06 * np.abs(t - frames // 2) - 0.7,
    }
    made = {name: np.stack([shift + 0j, still + 0j], axis=1) for name, shift in shifts.items()}
    made["nodding roll"] = np.stack([0.1j * wave, 0.25j * wave], axis=1)
    made["zoom"] = np.stack([still + 0j, 0.15 * wave + 0j], axis=1)
    return made


def moving_clip(
    face: Picture, landmarks: NDArray[np.float32], background: Picture, way: NDArray[Any]
) -> tuple[list[Picture], NDArray[np.float64]]:
    """The head cut out softly and moved over a background, grain and x264; the true landmarks (T, 68, 2)."""
    height, width = face.shape[:2]
    background = cv2.resize(background, (width, height)).astype(np.uint8, copy=False)
    middle = landmarks.mean(axis=0)
    distance = float(np.linalg.norm(landmarks[EYES[0]] - landmarks[EYES[1]]))
    mask = np.zeros((height, width), np.float32)
    around = (round(float(middle[0])), round(float(middle[1] - 0.2 * distance)))
    cv2.ellipse(mask, around, (round(1.3 * distance), round(1.8 * distance)), 0, 0, 360, 1, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 0.12 * distance).astype(np.float32, copy=False)
    frames, true = [], []
    rng = np.random.default_rng(4)
    for shift, turn in way:
        turned = np.exp(turn)
        linear = np.array([[turned.real, -turned.imag], [turned.imag, turned.real]])
        target = np.array([(width - 1) / 2, (height - 1) / 2]) + distance * np.array([shift.real, shift.imag])
        matrix = np.column_stack([linear, target - linear @ middle])
        moved = cv2.warpAffine(face, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        share = cv2.warpAffine(mask, matrix, (width, height))[:, :, None]
        frames.append(grainy((moved * share + background * (1 - share)).astype(np.uint8), rng, 3))
        true.append(landmarks @ linear.T + matrix[:, 2])
    return through_x264(frames), np.array(true)


def lag(track: Track, true: NDArray[np.float64]) -> float:
    """By how many frames the truth must be delayed to fit best."""
    times, inner = np.arange(len(true)), slice(4, -4)
    flat = true.reshape(len(true), -1)
    lags = np.linspace(-2, 2, 81)

    def misfit(delay: float) -> float:
        delayed = [np.interp(times - delay, times, column) for column in flat.T]
        return float(((np.stack(delayed, axis=1) - track.reshape(len(true), -1))[inner] ** 2).sum())

    return float(lags[np.argmin([misfit(delay) for delay in lags])])


def amplitude(track: Track, true: NDArray[np.float64]) -> float:
    """How much of the true movement there is: the slope of one over the other."""
    found, wanted = track - track.mean(axis=0), true - true.mean(axis=0)
    return float((found * wanted).sum() / (wanted**2).sum())


def measure_motion(data: Path, finders: dict[str, FaceFinder]) -> None:
    print("\nMoved heads, raw > smooth; worst: the frame whose mean landmark error is largest")
    print(
        "| face | movement | setting | error | worst frame | lag, frames | amplitude |\n|---|---|---|---|---|---|---|"
    )
    background = frames_of(data / "hard" / "no_face.mp4", 1)[0]
    faces = {
        "src": frames_of(data / "pair" / "data_src.mp4", 261)[260],
        "dst": frames_of(data / "pair" / "data_dst.mp4", 101)[100],
    }
    for name, picture in faces.items():
        for setting, finder in finders.items():
            landmarks = finder.find(picture)[0].landmarks
            for movement_name, way in ways(50).items():
                frames, true = moving_clip(picture, landmarks, background, way)
                track = find_track(finder, frames)
                if track is None:
                    print(f"| {name} | {movement_name} | {setting} | lost |")
                    continue
                # The network's own bias at this face is no matter of time: the truth is what it finds on average.
                true += (track - true).mean(axis=0)
                smooth = smooth_track(track)
                size = size_of(track) / 100
                worst = [np.linalg.norm((one - true).mean(axis=1), axis=1).max() / size for one in (track, smooth)]
                print(
                    f"| {name} | {movement_name} | {setting} | {error(track, true):.2f} > {error(smooth, true):.2f} "
                    f"| {worst[0]:.2f} > {worst[1]:.2f} | {lag(track, true):+.2f} > {lag(smooth, true):+.2f} "
                    f"| {amplitude(track, true):.3f} > {amplitude(smooth, true):.3f} |",
                    flush=True,
                )


def random_field(rng: np.random.Generator, size: float) -> Field:
    """A smooth shift of every point, sums of waves longer than the face, up to about 4 % of it."""
    waves = rng.normal(0, 2 * np.pi / (2.5 * size), (4, 2))
    strengths = rng.normal(0, 0.012 * size, (4, 2))
    phases = rng.uniform(0, 2 * np.pi, 4)

    def field(points: NDArray[np.float64]) -> NDArray[np.float64]:
        shifts: NDArray[np.float64] = np.sin(points @ waves.T + phases) @ strengths
        return shifts

    return field


def warped(
    picture: Picture, points: NDArray[np.float64], field: Field, share: float
) -> tuple[Picture, NDArray[np.float64]]:
    """The picture and its points warped by a share of a field."""
    height, width = picture.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2).reshape(-1, 2).astype(np.float64)
    source = (grid + share * field(grid)).reshape(height, width, 2).astype(np.float32)
    moved = cv2.remap(picture, source[..., 0], source[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    found = points.copy()
    for _ in range(20):  # the point that the picture takes from there
        found = points - share * field(found)
    return moved.astype(np.uint8, copy=False), found


def measure_warp(data: Path, finders: dict[str, FaceFinder]) -> None:
    print("\nFaces bent by known smooth fields: error against the bent landmarks of the unbent picture")
    print("| setting | bent once, grain: median, p90 | bending over 40 frames, x264: raw > smooth |\n|---|---|---|")
    pictures = [picture for name, picture in stills(data) if name.startswith(("data", "portrait", "person_c"))]
    reference = FaceFinder("best")
    base = [(picture, reference.find(picture)[0].landmarks.astype(np.float64)) for picture in pictures]
    for setting, finder in finders.items():
        rng = np.random.default_rng(5)
        once = []
        for picture, points in base:
            size = size_of(points[None].astype(np.float32))
            for _ in range(5):
                bent, true = warped(picture, points, random_field(rng, size), 1)
                track = find_track(finder, [grainy(bent, rng)])
                once.append(error(track, true[None]) if track is not None else np.nan)
        raws, smooths = [], []
        for picture, points in base[::2]:
            field = random_field(rng, size_of(points[None].astype(np.float32)))
            shares = np.sin(2 * np.pi * np.arange(40) / 20)
            made = [warped(picture, points, field, share) for share in shares]
            track = find_track(finder, through_x264([grainy(bent, rng) for bent, _ in made]))
            if track is not None:
                true = np.array([points for _, points in made])
                raws.append(error(track, true))
                smooths.append(error(smooth_track(track), true))
        print(
            f"| {setting} | {np.nanmedian(once):.2f}, {np.nanquantile(once, 0.9):.2f} "
            f"| {np.mean(raws):.2f} > {np.mean(smooths):.2f} |",
            flush=True,
        )


def openings(track: Track) -> dict[str, NDArray[np.float64]]:
    """How far eyes and mouth are open in each frame."""
    size = size_of(track) / 100
    lids = ((37, 41), (38, 40), (43, 47), (44, 46))
    eyes = np.mean([np.linalg.norm(track[:, upper] - track[:, lower], axis=1) for upper, lower in lids], axis=0)
    return {"blinks": -eyes / size, "mouth": np.linalg.norm(track[:, 62] - track[:, 66], axis=1) / size}


def peaks(values: NDArray[np.float64], least: float) -> Iterator[tuple[int, float]]:
    """Maxima that rise at least so far above the valleys at both sides: frame, height above the higher valley."""
    for frame in range(1, len(values) - 1):
        if not values[frame - 1] < values[frame] >= values[frame + 1]:
            continue
        sides = []
        for side in (values[:frame][::-1], values[frame + 1 :]):
            higher = np.flatnonzero(side > values[frame])
            sides.append(side[: higher[0] if len(higher) else None].min(initial=values[frame]))
        if values[frame] - max(sides) >= least:
            yield frame, float(values[frame] - max(sides))


def measure_speech(data: Path, finders: dict[str, FaceFinder], pictures: Path | None) -> None:
    print("\nReal clips: blinks and openings of the mouth of at least 3 %, and how much of their height is kept")
    print("| clip | movement raw > smooth | blinks | kept | mouth openings | kept | smoothing, ms a frame |")
    print("|---|---|---|---|---|---|---|")
    finder = next(iter(finders.values()))
    for name, count in (("pair/data_src.mp4", 300), ("pair/data_dst.mp4", 300), ("hard/glasses_motion.mp4", 75)):
        frames = frames_of(data / name, count)
        track = find_track(finder, frames)
        if track is None:
            continue
        begin = time.process_time()
        smooth = smooth_track(track)
        spent = (time.process_time() - begin) * 1000 / len(track)
        cells = []
        for what, raw in openings(track).items():
            after, found = openings(smooth)[what], list(peaks(raw, 3))
            kept = sum(after[max(frame - 1, 0) : frame + 2].max() - raw[frame] + height for frame, height in found)
            cells.append(f"{len(found)} | {kept / max(sum(height for _, height in found), 1e-9):.3f}")
        print(f"| {name} | {movement(track):.2f} > {movement(smooth):.2f} | {' | '.join(cells)} | {spent:.2f} |")
        if pictures:
            show(pictures / f"{Path(name).stem}.png", frames[:200], track[:200], smooth[:200])


def show(path: Path, frames: list[Picture], track: Track, smooth: Track) -> None:
    """One column and one row through the middle of every aligned face, side by side over time; raw above smooth."""
    strips = []
    for landmarks in (track, smooth):
        faces = [
            cv2.warpAffine(frame, alignment_matrix(one, 256, FaceType.WHOLE), (256, 256), flags=cv2.INTER_CUBIC)
            for frame, one in zip(frames, landmarks, strict=True)
        ]
        strips += [np.stack([face[:, 128] for face in faces], axis=1), np.stack([face[110] for face in faces], axis=1)]
    sheet = np.concatenate(strips).astype(np.uint8)
    write_picture(
        path, cv2.resize(sheet, None, fx=5, fy=1, interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
    )


def measure_align(data: Path, finders: dict[str, FaceFinder]) -> None:
    print(
        "\nAligned pictures (whole_face) by mesh against dlib's: mean and standard deviation, faces with a yaw under 20"
    )
    print("| clips | setting | faces | scale | shift x | shift y, % | roll |\n|---|---|---|---|---|---|---|")
    dlib = DlibFaces()
    groups = {
        "pair": [frame for side in ("src", "dst") for frame in frames_of(data / "pair" / f"data_{side}.mp4", step=20)],
        "hard, frontal": [frame for name in FRONTAL_CLIPS for frame in frames_of(data / "hard" / name, step=10)],
    }
    for group, frames in groups.items():
        judged = [(frame, [other.landmarks for other in dlib.find(frame)]) for frame in frames]
        for setting, finder in finders.items():
            rows = []
            for frame, others in judged:
                for face in finder.find(frame):
                    matrix = alignment_matrix(face.landmarks, 256, FaceType.WHOLE)
                    aligned = cv2.transform(face.landmarks[:, None], matrix)[:, 0]
                    if abs(np.degrees(pitch_yaw_roll(aligned, 256)[1])) > 20:
                        continue
                    other = [one for one in others if np.abs(one - face.landmarks).mean() < 0.1 * size_of(one[None])]
                    rows += [differences(matrix, one) for one in other[:1]]
            mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0)
            cells = [f"{one:+.3f} ± {other:.3f}" for one, other in zip(mean, spread, strict=True)]
            print(f"| {group} | {setting} | {len(rows)} | " + " | ".join(cells) + " |", flush=True)


def differences(matrix: NDArray[np.float64], landmarks: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """From dlib's aligned picture to the mesh's: relative scale - 1, shift of the middle in % of the side, degrees."""
    back = cv2.invertAffineTransform(alignment_matrix(landmarks, 256, FaceType.WHOLE))
    linear = matrix[:, :2] @ back[:, :2]
    middle = matrix[:, :2] @ (back @ np.array([128, 128, 1])) + matrix[:, 2] - 128
    roll = np.degrees(np.arctan2(linear[1, 0], linear[0, 0]))
    return float(np.sqrt(np.linalg.det(linear))) - 1, float(middle[0]) / 2.56, float(middle[1]) / 2.56, float(roll)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables = ("jitter", "motion", "warp", "speech", "align")
    parser.add_argument("data", type=Path)
    parser.add_argument("tables", nargs="*", choices=[*tables, []], default=[])
    parser.add_argument("--settings", nargs="+", default=["fast", "thorough", "best"])
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
    finders = {setting: FaceFinder(setting) for setting in arguments.settings}
    wanted = arguments.tables or tables
    if "jitter" in wanted:
        measure_jitter(arguments.data, finders)
    if "motion" in wanted:
        measure_motion(arguments.data, finders)
    if "warp" in wanted:
        measure_warp(arguments.data, finders)
    if "speech" in wanted:
        measure_speech(arguments.data, finders, arguments.pictures)
    if "align" in wanted:
        measure_align(arguments.data, finders)


if __name__ == "__main__":
    main()
