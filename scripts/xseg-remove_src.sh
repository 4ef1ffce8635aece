#!/bin/sh
# Take the masks out of a faceset's faces that XSeg has drawn. For data_src. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" xseg-remove src --ask "$@"
