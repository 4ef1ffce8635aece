#!/bin/sh
# Find a Python, start the program with the words given. All shell files come here.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
fits='import sys, click, pydantic; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
export PYTHONPATH="$here"
# The checkout's own virtual environment, an active one, or an installed Python.
for python in "$here/../.venv/bin/python" python python3 python3.13 python3.12 python3.11; do
  "$python" -P -c "$fits" >/dev/null 2>&1 && exec "$python" -X utf8 -P -m dfl "$@"
done
echo "Error: no Python 3.11, 3.12 or 3.13 with this program's packages was found." >&2
echo "In the folder of README.md: python3 -m venv .venv && .venv/bin/pip install -e ." >&2
exit 2
