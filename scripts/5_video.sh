#!/bin/sh
# Step 5: make-video. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" step 5_video --ask "$@"
