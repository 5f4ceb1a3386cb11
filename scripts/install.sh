#!/bin/sh
# Install Hemadiff from a lock file into .venv/, which is made where it is missing.
set -eu
lock=$1
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Hemadiff needs Python 3.11 or newer; $python is $("$python" --version 2>&1). Name another with PYTHON=..." >&2
    exit 2
}
if [ ! -x .venv/bin/pip ]; then
    rm -rf .venv
    if ! "$python" -m venv .venv; then
        rm -rf .venv
        if [ "$(id -u)" -ne 0 ]; then
            echo "Python cannot make a virtual environment. Install it: sudo apt-get install python3-venv" >&2
            exit 2
        fi
        apt-get update -qq && apt-get install -y -qq python3-venv
        "$python" -m venv .venv
    fi
fi
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
# That an editable install shadows folders of the same name is intended here: no warning.
PYTHONWARNINGS=ignore .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
