#!/bin/sh
# Cut a part out of a video, as a file beside it. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" cut-video --ask "$@"
