#!/bin/sh
# Take the outlines out of a faceset's faces that you have drawn. For data_src. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" xseg-remove-labels src --ask "$@"
