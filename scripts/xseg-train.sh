#!/bin/sh
# Train XSeg, which draws the masks of faces, on outlines that you drew. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" xseg-train --ask "$@"
