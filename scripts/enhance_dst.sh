#!/bin/sh
# Give a faceset's pictures more detail, with the original's network. For data_dst. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" enhance dst --ask "$@"
