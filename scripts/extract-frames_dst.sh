#!/bin/sh
# Take the frames of a clip out as pictures. For data_dst. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" extract-frames dst --ask "$@"
