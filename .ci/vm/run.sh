#!/bin/bash
# Starts the test machine, runs one command in it and ends with the command's exit status.
#
#   run.sh --image FOLDER [options] -- COMMAND [ARGUMENT...]
#
#   --image FOLDER           what build.sh printed
#   --share HOST[:GUEST]     a folder of the host, read-only, at the same path unless another is named
#   --disk FILE:GUEST        an ext4 image, read-only: for many files, where a shared folder is slow
#   --results HOST:GUEST     a folder of the host that the command may write to
#   --env NAME=VALUE         for the command
#   --folder GUEST           where the command starts; / without it
#   --time SECONDS           everything must be over by then (600)
#   --systemd                start systemd first, as on a real machine; the command is then a unit
#   --memory MIB             (1536)
#   --scratch FILE           a disk of /scratch that outlives the machine; made when it is missing, 8 GiB
#   --dmesg FILE             what the kernel said
#
# Standard output and error of the command come as they are written. Exit status 124: the time was up; 125: the machine ended
# without a result; 2: wrong usage. FIRN_VM_ACCEL=tcg or kvm overrides the choice made below.
set -uo pipefail

usage() { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2; }
image='' folder=/ limit_s=600 memory_mib=1536 init=plain scratch='' dmesg=''
shares=() writable=() disks=() environment=()
while [ $# -gt 0 ]; do
    case $1 in
        --image) image=$2 ;;
        --share) shares+=("$2") ;;
        --disk) disks+=("$2") ;;
        --results) writable+=("$2") ;;
        --env) environment+=("$2") ;;
        --folder) folder=$2 ;;
        --time) limit_s=$2 ;;
        --memory) memory_mib=$2 ;;
        --scratch) scratch=$2 ;;
        --dmesg) dmesg=$2 ;;
        --systemd) init=systemd; shift; continue ;;
        --) shift; break ;;
        *) usage ;;
    esac
    shift 2 || usage
done
[ -e "$image/root.img" ] && [ $# -gt 0 ] || usage

work=$(mktemp -d "${TMPDIR:-/tmp}/firn-vm.XXXXXX")
machine='' reader=''
# shellcheck disable=SC2317
clean_up() {
    [ -z "$machine" ] || kill "$machine" 2>/dev/null
    [ -z "$reader" ] || kill "$reader" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What guest/init reads.
mkdir "$work/ctl"
printf '%q ' exec "$@" >"$work/ctl/command"
for setting in ${environment[@]+"${environment[@]}"}; do
    printf '%s=%q\n' "${setting%%=*}" "${setting#*=}"
done >"$work/ctl/environment"
echo "$folder" >"$work/ctl/folder"
echo "$init" >"$work/ctl/init"
: >"$work/ctl/mounts"
devices=(-virtfs "local,path=$work/ctl,mount_tag=ctl,security_model=none,multidevs=remap")
share() { # HOST GUEST QEMU-OPTIONS MOUNT-OPTIONS
    local tag=share${#devices[@]}
    [ -d "$1" ] || { echo "run.sh: there is no folder $1" >&2; exit 2; }
    devices+=(-virtfs "local,path=$(readlink -f "$1"),mount_tag=$tag,security_model=none,multidevs=remap$3")
    echo "9p $tag $2 trans=virtio,version=9p2000.L,msize=512000,access=any,$4" >>"$work/ctl/mounts"
}
# A read-only share is kept in the guest's memory: a change on the host may not be seen.
for one in ${shares[@]+"${shares[@]}"}; do share "${one%%:*}" "${one#*:}" ,readonly=on ro,cache=loose; done
for one in ${writable[@]+"${writable[@]}"}; do share "${one%%:*}" "${one#*:}" '' rw,cache=none; done
device=c # behind the root disk and the scratch disk
for one in ${disks[@]+"${disks[@]}"}; do
    devices+=(-drive "file=${one%%:*},if=virtio,format=raw,readonly=on")
    echo "ext4 /dev/vd$device ${one#*:} ro" >>"$work/ctl/mounts"
    device=$(tr a-y b-z <<<"$device")
done

: "${scratch:=$work/scratch.img}"
if [ ! -e "$scratch" ]; then
    truncate -s 8G "$scratch"
    PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q -F -m 0 -E lazy_itable_init=1,lazy_journal_init=1 "$scratch" || exit 2
fi

# /dev/kvm can be there and useless: where the host is itself a guest of the kind kvm_pvm, a stock kernel hangs before its
# first message. Only a processor with VT-x or AMD-V counts.
accel=${FIRN_VM_ACCEL:-}
if [ -z "$accel" ]; then
    accel=tcg
    [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo && [ ! -e /sys/module/kvm_pvm ] && accel=kvm
fi
case $accel in
    kvm) accelerators=(-accel kvm -accel tcg,thread=multi) ;;
    *) accelerators=(-accel tcg,thread=multi) ;;
esac

mkfifo "$work/output"
cat "$work/output" &
reader=$!
TMPDIR=$work timeout --kill-after=5 "$limit_s" qemu-system-x86_64 \
    -nodefaults -no-user-config -machine pc "${accelerators[@]}" -cpu max -smp 2 -m "$memory_mib" \
    -display none -no-reboot -nic none \
    -kernel "$image/vmlinux" -initrd "$image/initrd" \
    -append 'console=ttyS0 quiet loglevel=5 panic=-1 random.trust_cpu=1 mitigations=off' \
    -drive "file=$image/root.img,if=virtio,format=raw,snapshot=on,cache=unsafe" \
    -drive "file=$scratch,if=virtio,format=raw,cache=unsafe,discard=unmap" \
    -device virtio-rng-pci -device virtio-serial-pci \
    -chardev file,id=out,path=/proc/self/fd/1 -device virtserialport,chardev=out,name=out \
    -serial "file:$work/console" "${devices[@]}" </dev/null >"$work/output" 2>"$work/complaints" &
machine=$!
wait "$machine"
ended=$? machine=''
wait "$reader"
reader=''

[ -z "$dmesg" ] || [ ! -e "$work/ctl/dmesg" ] || cp "$work/ctl/dmesg" "$dmesg"
[ -z "${FIRN_VM_TIMES:-}" ] || echo "firn: test machine: up in $(cat "$work/ctl/started") s, accelerator $accel" >&2
[ ! -s "$work/ctl/status" ] || exit "$(cat "$work/ctl/status")"
grep -v 'warning: TCG doesn' "$work/complaints" >&2
if [ $ended -eq 124 ] || [ $ended -eq 137 ]; then
    echo "firn: test machine: the time ($limit_s s) was up" >&2
    tail -n 5 "$work/console" >&2
    exit 124
fi
echo "firn: test machine: it ended without a result (qemu: $ended); the last lines of its console:" >&2
tail -n 20 "$work/console" >&2
exit 125
