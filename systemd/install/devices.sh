# shellcheck shell=sh
# Names of boards and cameras that stay the same whichever way they are plugged in, and who waits for them.

rules=/etc/udev/rules.d/71-hemadiff-names.rules
waiting=/etc/systemd/system/hemadiff-instrument.service.d/devices.conf

name_devices() {
    [ -n "$stage$camera$overview" ] || return 0
    {
        printf '# Made by install.sh.\n'
        name_device stage "$stage" tty 'KERNEL=="ttyUSB[0-9]*|ttyACM[0-9]*"' dialout
        name_device camera "$camera" video4linux 'ATTR{index}=="0"' video
        name_device overview "$overview" video4linux 'ATTR{index}=="0"' video
    } | put_text "$rules"
    {
        printf '# Made by install.sh: the instrument starts when its devices are there, however long they take.\n'
        printf '# One that is not plugged in does not keep it from starting; it says so.\n[Unit]\n'
        for name in stage camera overview; do
            eval "given=\$$name"
            # shellcheck disable=SC2154 # by the line before
            [ -z "$given" ] || printf 'Wants=dev-hemadiff-%s.device\nAfter=dev-hemadiff-%s.device\n' "$name" "$name"
        done
    } | put_text "$waiting"
    if [ -z "$root" ]; then
        udevadm control --reload
        udevadm trigger --subsystem-match=tty --subsystem-match=video4linux
    fi
}

# name_device NAME GIVEN SUBSYSTEM WHICH GROUP
name_device() {
    case $2 in
    '') return 0 ;;
    path:*) match="ENV{ID_PATH}==\"${2#path:}\"" ;;
    *) match="ATTRS{serial}==\"$2\"" ;;
    esac
    printf 'ACTION!="remove", SUBSYSTEM=="%s", %s, %s, SYMLINK+="hemadiff/%s", GROUP="%s", MODE="0660", TAG+="systemd"\n' \
        "$3" "$4" "$match" "$1" "$5"
    case $2 in
    path:*) ;;
    *) printf 'ACTION=="add", SUBSYSTEM=="usb", ATTR{serial}=="%s", TEST=="power/control", ATTR{power/control}="on"\n' "$2" ;;
    esac
}
