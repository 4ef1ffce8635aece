#!/bin/sh
# Take the pictures out of a faceset.pak again. For data_src. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" unpack src --ask "$@"
