#!/bin/sh
# Put a faceset into one file, faceset.pak. For data_dst. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" pack dst --ask "$@"
