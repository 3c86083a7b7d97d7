#!/bin/bash
# Makes the test machine: Debian's kernel and a small Debian 12 with a virtual tape library and DVD recorder in it.
#
#   build.sh [CACHE]     prints the folder that holds the machine, for `run.sh --image`
#   build.sh check       prints why this cannot be done on this computer, or nothing; exit status 1 or 0
#
# CACHE is ${XDG_CACHE_HOME:-~/.cache}/firn/vm unless FIRN_VM_CACHE or the argument says otherwise. What is there already and
# was made from the same scripts and packages is used as it is, without network. FIRN_VM_REBUILD=1 makes it anew.
# Needs root (or sudo), 1.5 GB for a minute, and the packages that `.ci/bootstrap.sh devices` installs.
#
# In the folder:  vmlinux  the kernel, unpacked: an emulated processor takes seconds for that
#                 initrd   what mounts the root disk
#                 root.img the root disk, ext4; run.sh never writes to it
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

suite=bookworm
machine_packages=(
    busybox-static kmod udev systemd-sysv # starting up
    procps e2fsprogs
    python3
)
# Modules that are in the machine, with what they need; the kernel package has thousands more.
boot_modules=(virtio_pci virtio_blk ext4 crc32c_generic crc32c_intel)
modules=(
    virtio_console virtio_rng 9p 9pnet_virtio # the host
    iscsi_tcp sg st ch sr_mod sd_mod          # devices
    isofs udf loop nls_utf8 nls_iso8859-1 nls_cp437
)

say() { printf 'firn: test machine: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

only_check=''
[ "${1:-}" != check ] || { only_check=yes; shift; }
cache=${1:-${FIRN_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/firn/vm}}
mkdir -p "$cache"
cache=$(readlink -f "$cache")

packages=("${machine_packages[@]}")
mapfile -t -O "${#packages[@]}" packages < <(../bootstrap.sh packages && sed -n 's/^\([a-z][^ #]*\).*/\1/p' guest/packages)
fingerprint=$({ cat build.sh guest/*; printf '%s\n' "$suite" "${packages[@]}"; } | sha256sum | cut -c 1-16)
image=$cache/$fingerprint

missing() { # PROGRAM...
    local program
    for program in "$@"; do
        PATH=$PATH:/sbin:/usr/sbin command -v "$program" >/dev/null || { echo "$program"; return; }
    done
}
if [ -n "$only_check" ]; then
    program=$(missing qemu-system-x86_64 mkfs.ext4)
    if [ -z "$program" ] && [ ! -e "$image/root.img" ]; then
        program=$(missing mmdebstrap cpio depmod)
        [ -n "$program" ] || [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null ||
            { echo "the test machine is made with root's rights, and sudo does not give them here without a password"; exit 1; }
    fi
    [ -z "$program" ] || { echo "there is no $program here; .ci/bootstrap.sh test installs it on Debian"; exit 1; }
    exit
fi

# Two builds at once: the second waits and then finds it done.
exec 9>"$cache/lock"
flock 9
if [ -e "$image/root.img" ] && [ -z "${FIRN_VM_REBUILD:-}" ]; then
    touch "$image"
    echo "$image"
    exit
fi
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "it is made with root's rights, and there is no sudo; run this as root once: $PWD/build.sh $cache"
    flock -u 9
    sudo FIRN_VM_REBUILD="${FIRN_VM_REBUILD:-}" FIRN_VM_OWNER="$(id -u):$(id -g)" "$PWD/build.sh" "$cache"
    exit
fi
program=$(missing mmdebstrap cpio mkfs.ext4 depmod)
[ -z "$program" ] || fail "there is no $program; run .ci/bootstrap.sh devices first"

started=$SECONDS
work=$(mktemp -d "$cache/building.XXXXXX")
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

# This machine's own Debian mirrors for the suite, whatever they are; nobody else's packages.
mirrors() {
    apt-get indextargets --format '$(ORIGIN)|deb $(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        sed -n 's/^Debian|//p' | grep -E " $suite(-updates|-security)? main\$" | sort -u || true
}
[ -n "$(mirrors)" ] && apt-cache show linux-image-amd64 >/dev/null 2>&1 || apt-get -q update >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "apt-get update failed"; }
[ -n "$(mirrors)" ] || fail "apt on this machine knows no mirror of Debian $suite"

say "making it in $image: Debian $suite with ${#packages[@]} packages"
( IFS=,; mmdebstrap --mode=root --variant=minbase --include="${packages[*]}" \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$suite" "$work/root" - ) < <(mirrors) >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; fail "mmdebstrap failed"; }

kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$kernel" ] || fail "apt on this machine knows no kernel for Debian $suite"
version=${kernel#linux-image-}
(cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$kernel" >log 2>&1) || { cat "$work/log" >&2; fail "$kernel could not be fetched"; }
dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
export PATH=$PATH:/usr/sbin:/sbin
depmod -b "$work/kernel" "$version"

# The files of modules below the package's root, each behind the ones it needs.
files_of() {
    local module
    for module in "$@"; do
        modprobe -d "$work/kernel" -S "$version" --show-depends --ignore-install "$module" 2>/dev/null ||
            fail "$kernel has no module $module"
    done | sed -n "s|^insmod $work/kernel/*||p" | awk '{ if (!seen[$1]++) print $1 }'
}
files_of "${boot_modules[@]}" "${modules[@]}" | while read -r file; do
    install -D -m 644 "$work/kernel/$file" "$work/root/$file"
done
cp "$work/kernel/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$work/root/lib/modules/$version/"
depmod -b "$work/root" "$version"

install -m 755 guest/init "$work/root/sbin/firn-vm-init"
install -m 755 guest/settings "$work/root/root/settings"
chroot "$work/root" /root/settings
mkdir -p "$work/root"/{ctl,scratch}
rm -rf "$work/root"/var/cache/apt/*.bin "$work/root"/var/lib/apt/lists/* "$work/root"/var/cache/apt/archives/*.deb

mkdir -p "$work/initrd"/{modules,proc,dev,root}
cp "$work/root/bin/busybox" "$work/initrd/"
install -m 755 guest/initrd-init "$work/initrd/init"
number=10
for file in $(files_of "${boot_modules[@]}"); do
    cp "$work/kernel/$file" "$work/initrd/modules/$number-${file##*/}"
    number=$((number + 1))
done

mkdir "$work/image"
(cd "$work/initrd" && find . -print0 | cpio --null -o -H newc --quiet -R 0:0 | gzip -1) >"$work/image/initrd"
# Source: the boot protocol of x86 Linux: setup_sects at 0x1f1, payload_offset and payload_length at 0x248.
python3 - "$work/kernel/boot/vmlinuz-$version" "$work/image/vmlinux" <<'PYTHON'
import lzma, struct, sys
packed = open(sys.argv[1], "rb").read()
assert packed[0x202:0x206] == b"HdrS" or packed[0x1FE:0x200] == b"\x55\xaa", "not a kernel for x86"
offset, length = struct.unpack_from("<II", packed, 0x248)
start = ((packed[0x1F1] or 4) + 1) * 512 + offset
kernel = lzma.LZMADecompressor().decompress(packed[start : start + length])
assert kernel[:4] == b"\x7fELF", "not an ELF kernel"
open(sys.argv[2], "wb").write(kernel)
PYTHON
size_kib=$(($(du -sk "$work/root" | cut -f 1) * 5 / 4 + 65536))
truncate -s "${size_kib}K" "$work/image/root.img"
mkfs.ext4 -q -F -O ^has_journal -m 0 -E lazy_itable_init=1 -d "$work/root" "$work/image/root.img"
chmod 644 "$work/image"/*
rm -rf "$image"
mv "$work/image" "$image"
chmod 755 "$image"
[ -z "${FIRN_VM_OWNER:-}" ] || chown -R "$FIRN_VM_OWNER" "$image"

# Other checkouts may use other machines; two are kept.
find "$cache" -mindepth 1 -maxdepth 1 -type d -name '[0-9a-f]*' -printf '%T@ %p\n' | sort -rn | sed 1,2d | cut -d ' ' -f 2- |
    while read -r old; do [ ${#old} -ne ${#image} ] || rm -rf "$old"; done
say "made in $((SECONDS - started)) s: kernel $version, $(du -sh "$image" | cut -f 1)"
echo "$image"
