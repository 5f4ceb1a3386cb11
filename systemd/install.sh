#!/bin/sh
# Makes this machine a Hemadiff box that boots into its page, or brings one up to date, or takes Hemadiff off it.
# Run it again whenever you like: it changes only what is not as it should be. docs/installing.md
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/install/options.sh"
. "$here/install/files.sh"
. "$here/install/program.sh"
. "$here/install/certificate.sh"
. "$here/install/devices.sh"

usage() {
    cat <<'TEXT'
sudo systemd/install.sh [OPTIONS]     install, or bring up to date (the database is backed up first)
sudo systemd/install.sh uninstall     take it off again; counts, backups and settings stay

  --from PATH        a wheel, or a source tree (this one)
  --wheels DIR       wheels of all that it needs: nothing is fetched (an isolated network)
  --stage NAME       the stage's board: its USB serial number, or path:ID_PATH     -> /dev/hemadiff/stage
  --camera NAME      the camera, likewise                                          -> /dev/hemadiff/camera
  --overview NAME    the overview camera, likewise                                 -> /dev/hemadiff/overview
  --gpu              the networks run on an NVIDIA GPU
  --remote-camera    the camera is on another machine
  --picamera         the camera is on a Raspberry Pi's ribbon cable
  --name HOST        another name of this machine, for its certificate (may be repeated)
  --proxy WHICH      nginx, caddy or none (none): who serves the page to others, over TLS
  --no-kiosk         no touchscreen on this machine
  --no-packages      install no Debian packages
  --no-venv          leave the program in /opt/hemadiff as it is
  --root DIR         into the file system under DIR; nothing is started, and no virtual environment made

What is asked for once is remembered (/etc/hemadiff/box): an upgrade needs no options. --no-gpu and the like take back.

What NAME may be: udevadm info --query=property --property=ID_SERIAL_SHORT,ID_PATH /dev/ttyUSB0
TEXT
}

install() {
    refuse_unless_possible
    say "Installing Hemadiff (research use only) ${root:+under $root}"
    add_packages
    back_up_first
    stop_services
    install_program
    place_files
    make_users_and_folders
    back_up_late
    make_certificate
    name_devices
    serve_to_others
    if [ -n "$root" ]; then
        link_units
        say "Done. It starts when $root boots."
        return
    fi
    start_services
    say "Done. What is still to do:"
    runuser -u hemadiff -- /usr/local/bin/hemadiff doctor || true
}

uninstall() {
    refuse_unless_root
    stop_services
    unlink_units
    remove_files
    serve_to_others_no_more
    [ -n "$root" ] || systemctl daemon-reload
    say "Hemadiff is gone from this machine. Its counts (/var/lib/hemadiff), its backups (/var/backups/hemadiff), its"
    say "settings and its certificate (/etc/hemadiff) and its users stay: remove them by hand if nobody needs them."
}

read_options "$@"
cd / # the user hemadiff may not enter the folder we were called from
case $what in
install) install ;;
uninstall) uninstall ;;
help) usage ;;
esac
