#!/bin/sh
# Tell what facesets have and lack: directions, people, doubtful faces; writes a page for the browser. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" inspect --ask "$@"
