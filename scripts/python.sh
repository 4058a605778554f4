# Sourced by the other scripts: finds a Python, makes the virtual environment, installs locked requirements once.
# CLOISON_VENV names another folder than .venv.

# The first Python from 3.11 that runs.
find_python() {
    for candidate in "${CLOISON_PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys, zlib, ssl, ctypes; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    echo "Cloison needs Python 3.11 or newer, and none of python3.11, python3.12, python3.13, python3 runs." >&2
    exit 1
}

# Every process would compile all that it imports again: it would start in twice the time.
unset PYTHONDONTWRITEBYTECODE

VENV="${CLOISON_VENV:-.venv}"
case "$VENV" in /*) ;; *) VENV="$PWD/$VENV" ;; esac

# Hash-locked, by uv (installed by pip, pinned): seconds instead of minutes. Done again only when the lock changes.
install_requirements() {
    mark="$VENV/.installed-$(basename "$1")"
    if [ -f "$mark" ] && cmp -s "$1" "$mark"; then return; fi
    echo "Installing $1"
    "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || "$VENV/bin/python" -m ensurepip >/dev/null
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check uv==0.13.9
    if ! "$VENV/bin/python" -m uv pip install --quiet --python "$VENV/bin/python" --require-hashes -r "$1"; then
        echo "uv did not manage; trying with pip" >&2
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$1"
    fi
    cp "$1" "$mark"
}

ensure_venv() {
    if [ ! -x "$VENV/bin/python" ] || ! "$VENV/bin/python" -c '' >/dev/null 2>&1; then
        python="$(find_python)"
        echo "Making $VENV with $python"
        if ! "$python" -m venv "$VENV" 2>/dev/null; then
            # Some systems ship Python without ensurepip; their own pip serves then.
            rm -rf "$VENV"
            "$python" -m venv --without-pip "$VENV"
            "$python" -m pip --python "$VENV/bin/python" install --quiet pip
        fi
    fi
    install_requirements "$1"
}
