#!/bin/sh
# Write the masks of a faceset's faces as pictures beside it. For data_src. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" export-mask src --ask "$@"
