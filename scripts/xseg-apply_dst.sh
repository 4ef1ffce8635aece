#!/bin/sh
# Draw the masks of a faceset's faces with the trained XSeg. For data_dst. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" xseg-apply dst --ask "$@"
