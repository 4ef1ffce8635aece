#!/bin/sh
# Put a faceset into one file, faceset.pak. For data_src. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" pack src --ask "$@"
