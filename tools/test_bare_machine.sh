#!/usr/bin/env bash
# Show that the README's two commands work on a machine that has Python and nothing else: a fresh minimal Debian
# (debootstrap), python3-venv and certificates in it, no compiler, no OpenCV libraries, no ffmpeg.
#
#   usage:  tools/test_bare_machine.sh SUITE ROOT [COMMAND]
#
#   SUITE    bookworm (Python 3.11) or trixie (Python 3.13)
#   ROOT     folder for the Debian system; one that is there already is used again
#   COMMAND  what to run in place of the README's commands, in a fresh venv with the program installed
#
# Needs root and debootstrap. pip finds its packages as on this machine: its configuration, its PIP_ variables, its
# certificates and the local package folders that they name are handed on while the script runs.
set -euo pipefail

SUITE=${1:?usage: test_bare_machine.sh SUITE ROOT [COMMAND]}
ROOT=${2:?usage: test_bare_machine.sh SUITE ROOT [COMMAND]}
CHECKOUT=$(cd "$(dirname "$0")/.." && pwd)

# Mounts below live in a namespace of this script's own and end with it.
if [ -z "${DFL_BARE_INSIDE:-}" ]; then
  DFL_BARE_INSIDE=1 exec unshare --mount --propagation private bash "$0" "$@"
fi

if [ ! -x "$ROOT/usr/bin/python3" ]; then
  debootstrap --variant=minbase --include=python3-venv,ca-certificates "$SUITE" "$ROOT"
fi
mount -t proc proc "$ROOT/proc"
mkdir -p "$ROOT/dev/shm"
mount -t tmpfs tmpfs "$ROOT/dev/shm"
cp -L /etc/resolv.conf /etc/hosts "$ROOT/etc/"

hand_on() {  # a file or folder of this machine, seen read-only at the same place inside
  [ -e "$1" ] || return 0
  if [ -d "$1" ]; then mkdir -p "$ROOT$1"; else mkdir -p "$ROOT$(dirname "$1")"; touch "$ROOT$1"; fi
  mount --bind "$1" "$ROOT$1"
  mount -o remount,ro,bind "$ROOT$1"
}
configuration=$(python3 -m pip config list 2>/dev/null || true)
[ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$ROOT/etc/pip.conf"
mkdir -p "$ROOT/root/.config/pip"
[ ! -f "$HOME/.config/pip/pip.conf" ] || cp "$HOME/.config/pip/pip.conf" "$ROOT/root/.config/pip/pip.conf"
for place in $(printf '%s' "$configuration" | grep -oE "(file://)?/[^ '\"]+" | grep -vE '^//' | sed 's,^file://,,' | sort -u); do
  hand_on "$(realpath -m "$place")"
  # An index of local files keeps them in a folder beside it.
  case "$place" in */simple) hand_on "$(dirname "$place")" ;; esac
done

# Only what is committed: what a user gets. The folder's name has a space, as users' folders do.
rm -rf "$ROOT/home/a user"
mkdir -p "$ROOT/home/a user/dfl"
git -C "$CHECKOUT" archive HEAD | tar -x -C "$ROOT/home/a user/dfl"

mapfile -t variables < <(env | grep -E '^PIP_' || true)
inside() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 PIP_ROOT_USER_ACTION=ignore "${variables[@]}" \
    chroot "$ROOT" bash -euc "cd '/home/a user/dfl'; $1" </dev/null
}
fresh='rm -rf /root/venv; python3 -m venv /root/venv; . /root/venv/bin/activate'

if [ -n "${3:-}" ]; then
  commands=("pip install -q -e . && $3")
else
  mapfile -t commands < <(grep -E '^pip install -e ' "$CHECKOUT/README.md")
  [ "${#commands[@]}" -eq 2 ] || { echo "README.md should have two lines 'pip install -e ...'" >&2; exit 1; }
fi
for command in "${commands[@]}"; do
  echo "== $SUITE, $(inside 'python3 --version'): $command"
  inside "$fresh; $command"
  echo "== done: $command"
done
