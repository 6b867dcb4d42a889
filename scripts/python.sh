#!/bin/sh
# Find a Python that ReaderAI classroom runs on and become it: `sh scripts/python.sh scripts/run.py`.
# The Makefile calls this. PYTHON names the interpreter; without it python3 comes first, then the versions
# by name. Each is tried by running it, because version managers put names on PATH that lead nowhere.

supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
newer='import sys; sys.exit(sys.version_info < (3, 11))'

become() {  # check python arguments...
    check=$1 python=$2
    shift 2
    if "$python" -c "$check" >/dev/null 2>&1; then
        exec "$python" "$@"
    fi
}

if [ -n "$PYTHON" ]; then
    become "$newer" "$PYTHON" "$@"
    echo "PYTHON=$PYTHON is not a Python 3.11 or newer." >&2
    exit 1
fi
for name in python3 python3.13 python3.12 python3.11; do
    become "$supported" "$name" "$@"
done
become "$newer" python3 "$@"
echo "ReaderAI classroom needs Python 3.11 or newer and found none: install it, or name it as in PYTHON=/path/to/python3." >&2
exit 1
