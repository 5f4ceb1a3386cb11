# shellcheck shell=sh
# The program: a virtual environment for each release, and a link to the one in use, so that an installation that fails
# leaves the one before as it was.

base=/opt/hemadiff
store=/var/lib/hemadiff/hemadiff.sqlite
kept_releases=2
sources="appliance calibration firmware_bridge models web requirements"

add_packages() {
    [ "$packages" = yes ] || return 0
    wanted="python3-venv openssl"
    [ "$kiosk" = no ] || wanted="$wanted chromium sway squeekboard dbus libpam-systemd libglib2.0-bin dconf-gsettings-backend gsettings-desktop-schemas fonts-dejavu-core"
    [ "$proxy" = none ] || wanted="$wanted $proxy"
    missing=''
    for each in $wanted; do
        dpkg-query -W -f='${Status}' "$each" 2>/dev/null | grep -q 'ok installed' || missing="$missing $each"
    done
    [ -n "$missing" ] || return 0
    say "Debian packages:$missing"
    # shellcheck disable=SC2086 # a list of words
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
}

# Before anything is changed, by the program that is being replaced: it knows its own database.
back_up_first() {
    backed_up=no
    [ -x "$root$base/current/bin/hemadiff" ] && [ -e "$(store_path)" ] || return 0
    back_up || refuse "The database could not be backed up (see above). Nothing was changed."
}

# A database that was there without a program: by the new one, before anything opens it.
back_up_late() {
    [ "$backed_up" = no ] && [ -e "$(store_path)" ] || return 0
    if [ -x "$root$base/current/bin/hemadiff" ]; then
        back_up || refuse "The database could not be backed up (see above). Nothing was started."
    else
        say "There is a database, $root$store, and no program yet that could back it up."
    fi
}

back_up() {
    say "Backing the database up"
    as_hemadiff env HEMADIFF_STORE__PATH="$(store_path)" HEMADIFF_CONFIG="$root/etc/hemadiff/hemadiff.toml" \
        HEMADIFF_INSTRUMENT__SOCKET="$root/run/hemadiff/instrument.sock" \
        "$root$base/current/bin/hemadiff" backup "$root/var/backups/hemadiff" && backed_up=yes
}

# Where the settings have it: a laboratory may have put it on another disk.
store_path() {
    if [ -z "$root" ] && [ -x "$base/current/bin/python" ]; then
        as_hemadiff env HEMADIFF_CONFIG=/etc/hemadiff/hemadiff.toml "$base/current/bin/python" -c \
            'from appliance.config import load_config; print(load_config().store.path)' 2>/dev/null && return
    fi
    printf '%s' "$root$store"
}

as_hemadiff() {
    if [ -z "$root" ]; then runuser -u hemadiff -- "$@"; else "$@"; fi
}

install_program() {
    mkdir -p "$root/usr/local/bin"
    [ -L "$root/usr/local/bin/hemadiff" ] || ln -s "$base/current/bin/hemadiff" "$root/usr/local/bin/hemadiff"
    [ "$venv" = yes ] || return 0
    release=$(release_of)
    if [ ! -e "$base/releases/$release/complete" ]; then
        make_release "$base/releases/$release" || {
            rm -rf "$base/releases/$release"
            refuse "The program could not be installed (see above). The one before is as it was; start it: systemctl start hemadiff-instrument hemadiff-web"
        }
    fi
    ln -sfn "releases/$release" "$base/current.new"
    mv -T "$base/current.new" "$base/current"
    touch "$base/releases/$release"
    remove_old_releases "$release"
}

# What names a release: all that it is made of.
release_of() {
    if [ -f "$from" ]; then
        cat "$from"
    else
        # shellcheck disable=SC2086 # a list of words
        (cd "$from" && find $sources pyproject.toml -type f \
            ! -path '*/__pycache__/*' -exec sha256sum {} + | LC_ALL=C sort)
    fi | { cat; printf '%s' "gpu $gpu"; } | sha256sum | cut -c1-12
}

make_release() {
    "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || refuse \
        "Hemadiff needs Python 3.11 or newer. Name another with PYTHON=..."
    rm -rf "$1"
    mkdir -p "$base/releases"
    # A Jetson brings its own TensorRT and ONNX Runtime, which no package index has.
    own=''
    [ "$gpu" = no ] || [ ! -e /etc/nv_tegra_release ] || own=--system-site-packages
    "${PYTHON:-python3}" -m venv $own "$1" || return 1
    source=''
    [ -z "$wheels" ] || source="--no-index --find-links $wheels"
    pip="$1/bin/pip install --quiet --disable-pip-version-check --no-cache-dir $source"
    extra=cpu
    [ "$gpu" = no ] || extra=gpu
    # shellcheck disable=SC2086 # a command and its options
    if [ -f "$from" ]; then
        $pip "${from}[$extra]" || return 1
    else
        tree=$(mktemp -d)
        for each in $sources pyproject.toml README.md LICENSE NOTICE; do # building leaves things behind
            [ ! -e "$from/$each" ] || cp -R "$from/$each" "$tree/" || return 1
        done
        if [ "$gpu" = no ]; then
            $pip --require-hashes -r "$tree/requirements/run.lock" && $pip --no-deps --no-build-isolation "$tree"
        else
            $pip "${tree}[gpu]"
        fi || {
            rm -rf "$tree"
            return 1
        }
        rm -rf "$tree"
    fi
    "$1/bin/hemadiff" --version && touch "$1/complete"
}

remove_old_releases() {
    # shellcheck disable=SC2010,SC2012 # names are twelve digits
    ls -1t "$base/releases" | grep -vx "$1" | tail -n "+$kept_releases" | while IFS= read -r old; do
        rm -rf "${base:?}/releases/$old"
    done
}
