#!/bin/bash
# The virtual library of Debian's tgt: a robot, two tape drives and a DVD recorder over iSCSI on this machine's own loopback,
# for the kernel's drivers as if they were hardware. Runs as root in a Debian 12 that guest/settings has prepared.
#
#   library.sh up                     make the media that are missing, present the devices, wait until they are there
#   library.sh initiator              only have the kernel ready to be given devices, whoever presents them
#   library.sh attach IQN PORT        have the kernel use the devices that somebody else presents on this port
#   library.sh down                   take the devices away and end
#   library.sh disc NAME|none         put this disc into the recorder (made blank when there is none of that name), or take it out
#   library.sh protect DRIVE on|off   write protection; tgt has it for the drive, not for the cartridge
#   library.sh blank BARCODE          a new cartridge in place of the one in its slot, with the same label
#   library.sh lose BARCODE           the robot will fail to load it
#   library.sh find BARCODE           no more
#   library.sh show                   what tgt knows
#
# Of ten slots the first two hold T00001L8 and T00002L8; the mail slot is 11. Media lie in $FIRN_LIBRARY
# (/var/lib/firn-library). tgt does not remember where cartridges are: when it starts they are in their slots.
set -euo pipefail

media=${FIRN_LIBRARY:-/var/lib/firn-library}
tape_mib=${FIRN_LIBRARY_TAPE_MIB:-128}
portal=127.0.0.1:3260
library=iqn.2024-01.firn:tgt-library
recorder=iqn.2024-01.firn:tgt-recorder
drive_serials=(FIRNTGT-T0 FIRNTGT-T1)
robot_serial=FIRNTGT-C0
recorder_serial=FIRNTGT-D0

fail() { echo "library.sh: $*" >&2; exit 1; }
target() { tgtadm --lld iscsi --mode target "$@"; }
unit() { tgtadm --lld iscsi --mode logicalunit "$@"; }
change() { unit --op update --tid "$1" --lun "$2" --params "$3"; } # TARGET UNIT PARAMETERS

make_tape() { # BARCODE
    [ -e "$media/tapes/$1" ] ||
        tgtimg --op new --device-type tape --barcode "$1" --size "$tape_mib" --type data --file "$media/tapes/$1" >/dev/null
}

make_disc() { # NAME
    [ -e "$media/discs/$1" ] || tgtimg --op new --device-type cd --type dvd+r --file "$media/discs/$1" >/dev/null
}

await() { # SECONDS COMMAND...
    local limit=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $limit ] || return 1
        sleep 0.1
    done
}

# Prints the sg device with a serial number.
find_device() { # SERIAL
    local device
    for device in /sys/class/scsi_generic/sg*; do
        [ -e "$device/device/vpd_pg80" ] || continue
        if [ "$(tail -c +5 "$device/device/vpd_pg80" | tr -d '\0 ')" = "$1" ]; then
            echo "/dev/${device##*/}"
            return
        fi
    done
    return 1
}

present() {
    local number slot=1001
    mkdir -p "$media"/{tapes,discs}
    for number in 1 2; do make_tape "T0000${number}L8"; done
    make_disc blank1
    # What an empty drive is made from.
    [ -e "$media/tapes/NONE" ] || tgtimg --op new --device-type tape --barcode NONE --size 1 --type clean --file "$media/tapes/NONE" >/dev/null
    truncate -s 1K "$media/robot"

    target --op new --tid 1 --targetname "$library"
    for number in 0 1; do
        unit --op new --tid 1 --lun $((number + 1)) --backing-store "$media/tapes/NONE" --device-type tape --bstype ssc
        change 1 $((number + 1)) "vendor_id=IBM,product_id=ULT3580-TD8,product_rev=FIRN,scsi_sn=${drive_serials[number]},removable=1"
        change 1 $((number + 1)) online=0
    done
    unit --op new --tid 1 --lun 3 --backing-store "$media/robot" --device-type changer
    change 1 3 "vendor_id=IBM,product_id=3573-TL,product_rev=FIRN,scsi_sn=$robot_serial,removable=1,media_home=$media/tapes"
    change 1 3 element_type=1,start_address=1,quantity=1
    change 1 3 element_type=4,start_address=256,quantity=2
    change 1 3 element_type=4,address=256,tid=1,lun=1
    change 1 3 element_type=4,address=257,tid=1,lun=2
    change 1 3 element_type=2,start_address=1001,quantity=10
    change 1 3 element_type=3,start_address=1011,quantity=1
    for number in 1 2; do
        change 1 3 "element_type=2,address=$slot,barcode=T0000${number}L8,sides=1"
        slot=$((slot + 1))
    done
    target --op bind --tid 1 --initiator-address 127.0.0.1

    target --op new --tid 2 --targetname "$recorder"
    unit --op new --tid 2 --lun 1 --backing-store "$media/discs/blank1" --device-type cd
    change 2 1 "vendor_id=HL-DT-ST,product_id=DVDRAM GH24,product_rev=FIRN,scsi_sn=$recorder_serial,removable=1"
    target --op bind --tid 2 --initiator-address 127.0.0.1
}

log_in() { # TARGET PORTAL
    iscsiadm -m session 2>/dev/null | grep -qF " $1 " || iscsiadm -m node -T "$1" -p "$2" --login >/dev/null
}

discover() { # PORTAL
    iscsiadm -m discovery -t sendtargets -p "$1" >/dev/null
}

initiator() {
    modprobe -a iscsi_tcp sg st ch sr_mod
    mkdir -p /run/lock/iscsi
    if [ -d /run/systemd/system ]; then
        systemctl start iscsid
    elif ! pidof iscsid >/dev/null; then
        iscsid
    fi
}

up() {
    initiator
    if [ -d /run/systemd/system ]; then
        systemctl start tgt
    elif ! pidof tgtd >/dev/null; then
        tgtd --iscsi portal=$portal
    fi
    await 20 tgtadm --mode system --op show >/dev/null || fail "tgtd does not answer"
    target --op show --tid 1 >/dev/null 2>&1 || present
    discover $portal
    log_in $library $portal
    log_in $recorder $portal
    for serial in "${drive_serials[@]}" $robot_serial $recorder_serial; do
        await 60 find_device "$serial" >/dev/null || fail "the kernel does not see the device with serial number $serial"
    done
    # tgt takes the kernel's "close the tray" for an empty recorder as a disc that was put in.
    echo 0 >/proc/sys/dev/cdrom/autoclose
    udevadm settle --timeout=60
}

# iscsiadm tries for a long while where nobody listens.
listens() { # PORT
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

attach() { # TARGET PORT
    initiator
    await 240 listens "$2" || fail "nobody presents devices on port $2"
    await 60 discover "127.0.0.1:$2" || fail "nobody presents devices on port $2"
    log_in "$1" "127.0.0.1:$2"
    udevadm settle --timeout=60
}

down() {
    local name
    for name in $library $recorder; do iscsiadm -m node -T $name -p $portal --logout >/dev/null 2>&1 || true; done
    target --op delete --tid 1 --force
    target --op delete --tid 2 --force
    [ -d /run/systemd/system ] || tgtadm --mode system --op delete
}

# udev looks at a disc whenever it comes and locks the tray meanwhile; tgt then refuses its own operator, too.
change_disc() { # PARAMETERS
    sg_prevent --allow "$recorder_sg" && change 2 1 "$1" 2>/dev/null
}

# By way of an empty tray, since between two discs the kernel sees no change; and opened once each time, since tgt announces
# nothing and only an open makes the kernel look.
disc() { # NAME|none
    local gone=$media/discs/.none
    recorder_sg=$(find_device $recorder_serial) || fail "there is no recorder; say library.sh up first"
    local node
    node=/dev/$(ls "/sys/class/scsi_generic/${recorder_sg##*/}/device/block")
    await 20 change_disc online=0 || fail "the recorder holds on to its disc"
    # A tray taken offline still tells of its last disc; one whose disc is gone does not.
    : >"$gone"
    await 20 change_disc "path=$gone" || fail "the recorder takes no disc"
    await 20 change_disc online=0
    rm -f "$gone"
    change 2 1 online=1 2>/dev/null || true
    look "$node"
    [ "$1" != none ] || return 0
    make_disc "$1"
    await 20 change_disc "path=$media/discs/$1" || fail "the recorder takes no disc"
    look "$node"
}

look() { # NODE
    python3 -c 'import os, sys; os.close(os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK))' "$1"
    udevadm settle --timeout=60
}

case ${1:-} in
    up) up ;;
    initiator) initiator ;;
    attach) attach "${2:?which target}" "${3:?on which port}" ;;
    down) down ;;
    disc) disc "${2:?which disc}" ;;
    protect) change 1 $((${2:?which drive} + 1)) "readonly=$([ "${3:?on or off}" = on ] && echo 1 || echo 0)" ;;
    blank) rm "$media/tapes/${2:?which cartridge}"; make_tape "$2" ;;
    lose) mv "$media/tapes/${2:?which cartridge}" "$media/tapes/lost-$2" ;;
    find) mv "$media/tapes/lost-${2:?which cartridge}" "$media/tapes/$2" ;;
    show) tgtadm --lld iscsi --mode target --op show ;;
    *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
