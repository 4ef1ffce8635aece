#!/bin/sh
# Take the noise out of a side's frames. For data_dst. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" denoise-frames dst --ask "$@"
