# shellcheck shell=sh
# What install.sh was asked for.

what=install root='' from=$(dirname -- "$here") wheels='' proxy=none names=''
stage='' camera='' overview=''
gpu=no remote_camera=no picamera=no kiosk=yes packages=yes venv=yes

say() { printf '%s\n' "$*"; }

refuse() {
    printf '%s\n' "$*" >&2
    exit 2
}

# What was asked for once is remembered, so that an upgrade needs no options.
box=/etc/hemadiff/box
remembered="stage camera overview gpu remote_camera picamera kiosk proxy names"

recall() {
    [ -e "$root$box" ] || return 0
    while IFS='=' read -r key value; do
        case " $remembered " in *" $key "*) ;; *) continue ;; esac
        case $value in *[!A-Za-z0-9._:+\ -]*) refuse "$root$box: \"$key\" has a value that install.sh never wrote." ;; esac
        eval "$key=\$value"
    done <"$root$box"
}

remember_options() {
    mkdir -p "$root/etc/hemadiff"
    for key in $remembered; do
        eval "printf '%s=%s\n' $key \"\$$key\""
    done >"$root$box.new"
    cmp -s "$root$box.new" "$root$box" || cp "$root$box.new" "$root$box"
    rm -f "$root$box.new"
}

read_options() {
    find_root "$@"
    recall
    while [ $# -gt 0 ]; do
        case $1 in
        install | uninstall) what=$1 ;;
        -h | --help) what=help ;;
        --gpu | --remote-camera | --picamera | --kiosk) switch "${1#--}" yes ;;
        --no-gpu | --no-remote-camera | --no-picamera | --no-kiosk) switch "${1#--no-}" no ;;
        --no-packages) packages=no ;;
        --no-venv) venv=no ;;
        --from | --wheels | --stage | --camera | --overview | --name | --proxy | --root)
            [ $# -ge 2 ] || refuse "$1 needs a value. See install.sh --help."
            set_option "$1" "$2"
            shift
            ;;
        *) refuse "install.sh has no option \"$1\". See install.sh --help." ;;
        esac
        shift
    done
}

find_root() {
    while [ $# -gt 0 ]; do
        if [ "$1" = --root ] && [ $# -ge 2 ]; then
            root=$(absolute "$2")
            venv=no packages=no
        fi
        shift
    done
}

switch() {
    case $1 in
    gpu) gpu=$2 ;;
    remote-camera) remote_camera=$2 ;;
    picamera) picamera=$2 ;;
    kiosk) kiosk=$2 ;;
    esac
}

set_option() {
    case $1 in
    --from) from=$(absolute "$2") ;;
    --wheels) wheels=$(absolute "$2") ;;
    --stage) stage=$(checked_name "$1" "$2") ;;
    --camera) camera=$(checked_name "$1" "$2") ;;
    --overview) overview=$(checked_name "$1" "$2") ;;
    --name)
        checked=$(checked_name "$1" "$2")
        case "$names " in *" $checked "*) ;; *) names="$names $checked" ;; esac
        ;;
    --proxy)
        case $2 in nginx | caddy | none) proxy=$2 ;; *) refuse "--proxy is nginx, caddy or none, not \"$2\"." ;; esac
        ;;
    esac
}

absolute() {
    [ -e "$1" ] || refuse "There is no $1."
    case $1 in /*) printf '%s' "${1%/}" ;; *) printf '%s/%s' "$PWD" "${1%/}" ;; esac
}

# It is written into rules and a certificate: nothing that could end a string there.
checked_name() {
    case $2 in
    '' | *[!A-Za-z0-9._:+-]*) refuse "$1 \"$2\": a name has letters, digits and . _ : + - alone." ;;
    esac
    printf '%s' "$2"
}

refuse_unless_root() {
    [ -n "$root" ] || [ "$(id -u)" -eq 0 ] || refuse "Installing needs root: sudo $here/install.sh"
}

refuse_unless_possible() {
    refuse_unless_root
    [ -n "$root" ] || [ -d /run/systemd/system ] || refuse \
        "systemd does not run here. For another machine's file system: --root DIR. Without systemd: hemadiff serve."
}
