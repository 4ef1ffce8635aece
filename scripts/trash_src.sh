#!/bin/sh
# Take faces out of a faceset; restore puts them back. For data_src. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" trash src --ask "$@"
