# shellcheck shell=sh
# The files of the box: what is put where, remembered in a list, and taken away again by it.

list=/opt/hemadiff/installed
services="hemadiff-instrument.service hemadiff-web.service hemadiff-kiosk.service hemadiff-backup.timer"

# put SOURCE TARGET [MODE]: only where it is not there already, so that what has not changed keeps its time.
put() {
    remember "$2"
    cmp -s "$1" "$root$2" || {
        mkdir -p "$root${2%/*}"
        cp "$1" "$root$2.new"
        mv "$root$2.new" "$root$2"
    }
    chmod "${3:-644}" "$root$2"
}

# put_text TARGET: what comes on standard input.
put_text() {
    text=$(mktemp)
    cat >"$text"
    put "$text" "$1"
    rm -f "$text"
}

remember() {
    if [ -z "${listed+known}" ]; then
        mkdir -p "$root${list%/*}"
        listed=$(cat "$root$list" 2>/dev/null || :)
    fi
    case "
$listed
" in *"
$1
"*) return 0 ;; esac
    listed="$listed
$1"
    printf '%s\n' "$1" >>"$root$list"
}

# drop TARGET: what an earlier installation put there and this one does not want.
drop() {
    rm -f "$root$1"
    rmdir "$root${1%/*}" 2>/dev/null || true
}

place_files() {
    for unit in "$here"/units/*; do
        put "$unit" "/etc/systemd/system/${unit##*/}"
    done
    put "$here/etc/sysusers.conf" /etc/sysusers.d/hemadiff.conf
    put "$here/etc/tmpfiles.conf" /etc/tmpfiles.d/hemadiff.conf
    put "$here/etc/journald.conf" /etc/systemd/journald.conf.d/hemadiff.conf
    put "$here/etc/sleep.conf" /etc/systemd/sleep.conf.d/hemadiff.conf
    put "$here/etc/70-hemadiff.rules" /etc/udev/rules.d/70-hemadiff.rules
    put "$here/proxy/nginx.conf" /usr/local/share/hemadiff/nginx.conf
    put "$here/proxy/Caddyfile" /usr/local/share/hemadiff/Caddyfile
    place_drop_in gpu "$gpu"
    place_drop_in remote-camera "$remote_camera"
    place_drop_in picamera "$picamera"
    place_kiosk
    remember_options
    # Settings are the laboratory's: they are made once.
    if [ ! -e "$root/etc/hemadiff/hemadiff.toml" ]; then
        mkdir -p "$root/etc/hemadiff"
        cp "$here/etc/hemadiff.toml" "$root/etc/hemadiff/hemadiff.toml"
        chmod 640 "$root/etc/hemadiff/hemadiff.toml"
    fi
}

place_drop_in() {
    drop_in=/etc/systemd/system/hemadiff-instrument.service.d/$1.conf
    if [ "$2" = yes ]; then put "$here/drop-ins/$1.conf" "$drop_in"; else drop "$drop_in"; fi
}

place_kiosk() {
    if [ "$kiosk" = no ]; then
        rm -f "$root/etc/systemd/system/graphical.target.wants/hemadiff-kiosk.service"
        return
    fi
    put "$here/kiosk/sway.conf" /usr/local/lib/hemadiff/kiosk/sway.conf
    put "$here/kiosk/session" /usr/local/lib/hemadiff/kiosk/session 755
    put "$here/kiosk/pam" /etc/pam.d/hemadiff-kiosk
    put "$here/kiosk/policy.json" /etc/chromium/policies/managed/hemadiff.json
}

make_users_and_folders() {
    if [ -z "$root" ]; then
        systemd-sysusers /etc/sysusers.d/hemadiff.conf
        systemd-tmpfiles --create /etc/tmpfiles.d/hemadiff.conf
        systemctl restart systemd-journald
    elif [ "$(id -u)" -eq 0 ] && command -v systemd-sysusers >/dev/null 2>&1; then
        mkdir -p "$root/etc" "$root/var/lib" "$root/run"
        systemd-sysusers --root="$root"
        systemd-tmpfiles --root="$root" --create hemadiff.conf
    else
        say "Users and folders are made when it boots (sysusers.d, tmpfiles.d)."
    fi
}

targets() {
    case $1 in
    hemadiff-kiosk.service) printf graphical.target ;;
    *.timer) printf timers.target ;;
    *) printf multi-user.target ;;
    esac
}

link_units() {
    for unit in $services; do
        [ "$unit" = hemadiff-kiosk.service ] && [ "$kiosk" = no ] && continue
        wants=$root/etc/systemd/system/$(targets "$unit").wants
        mkdir -p "$wants"
        [ -L "$wants/$unit" ] || ln -s "/etc/systemd/system/$unit" "$wants/$unit"
    done
}

unlink_units() {
    for unit in $services; do
        drop "/etc/systemd/system/$(targets "$unit").wants/$unit"
    done
}

stop_services() {
    [ -n "$root" ] || for unit in $services; do
        systemctl stop "$unit" 2>/dev/null || true
    done
}

start_services() {
    systemctl daemon-reload
    wanted=$services
    if [ "$kiosk" = yes ]; then
        systemctl set-default graphical.target
    else
        wanted="hemadiff-instrument.service hemadiff-web.service hemadiff-backup.timer"
        systemctl disable hemadiff-kiosk.service 2>/dev/null || true
    fi
    # shellcheck disable=SC2086 # a list of words
    systemctl enable --now $wanted
}

remove_files() {
    [ -e "$root$list" ] || refuse "There is no $root$list: nothing was installed here, or it is gone already."
    while IFS= read -r each; do
        drop "$each"
    done <"$root$list"
    rm -f "$root/usr/local/bin/hemadiff"
    rm -rf "$root/opt/hemadiff"
}
