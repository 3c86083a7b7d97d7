#!/bin/bash
# Brings a Debian 12 machine to where Firn runs:  bootstrap.sh run | test | devices
#   run      programs that drive the hardware, and .venv from requirements.lock
#   test     the same and the programs that tests use, .venv from requirements-dev.lock
#   devices  the same and the programs that check the Vagrantfile
#   packages only says which Debian packages `run` installs, one a line
# What is there already is left alone: a second call does nothing and needs no network.
set -euo pipefail
cd "$(dirname "$0")/.."

runtime_packages=(
    mtx        # robot
    mt-st      # tape positions and status
    sg3-utils  # SCSI inquiry and log pages
    lsscsi     # which changer goes with which drive
    xorriso    # writes and checks optical discs
    par2       # recovery data on discs
    stenc      # encryption keys of tape drives
)
# What the Python package bonsai is built with, which signs people in by a directory.
build_packages=(
    libldap-dev
    libsasl2-dev
    python3-dev
    gcc
)
test_packages=(
    dcmtk      # foreign DICOM peers
    dicom3tools # a validator that is not ours
    postgresql # the catalog on several machines
    zbar-tools # reads the barcodes of printed labels
    poppler-utils # pages of a PDF as pictures
    chromium # the browser of tests and screenshots
    libiscsi-bin # an iSCSI initiator that is not ours
    slapd # a directory that is not ours
    # the test machine, .ci/vm
    qemu-system-x86
    mmdebstrap
    cpio
    e2fsprogs
    kmod
)
devices_packages=(
    vagrant
)

say() { printf 'firn: %s\n' "$*"; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "\"$*\" needs root, and there is no sudo. Run it as root, then repeat this command." >&2
        return 1
    fi
}

installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
    local package missing=() log
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${missing[*]}"
    log=$(mktemp)
    if ! { as_root apt-get -q -o DPkg::Lock::Timeout=600 update &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 --no-install-recommends install "${missing[@]}"; } \
        >"$log" 2>&1 </dev/null; then
        tail -n 30 "$log" >&2
        say "apt-get failed; its last lines are above, all of them in $log" >&2
        return 1
    fi
    rm -f "$log"
}

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "Python 3.11 or newer is needed and was not found (Debian 12: apt-get install python3)." >&2
    return 1
}

fingerprint() {
    { cat "$1" && sed -n '/^\[project.scripts\]/,/^\[tool/p' pyproject.toml; } | sha256sum | cut -d' ' -f1
}

# The stamp names everything the venv depends on; the test venv also serves for running.
make_venv() {
    local lock=$1 stamp=.venv/.firn-stamp python want_run want_dev have=""
    want_run="run $(fingerprint requirements.lock) $PWD"
    want_dev="dev $(fingerprint requirements-dev.lock) $PWD"
    [ -f "$stamp" ] && have=$(cat "$stamp")
    [ "$have" = "$want_dev" ] && return
    [ "$lock" = run ] && [ "$have" = "$want_run" ] && return
    # A machine that has once been used for tests keeps them.
    case $have in dev*) lock=dev ;; esac

    python=$(find_python)
    if [ ! -x .venv/bin/python ] || [ "${have##* }" != "$PWD" ]; then
        "$python" -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
        say "making .venv with $("$python" --version)"
        rm -rf .venv
        "$python" -m venv .venv
    fi
    local requirements=requirements.lock want=$want_run
    [ "$lock" = dev ] && requirements=requirements-dev.lock want=$want_dev
    say "installing the Python packages of $requirements"
    rm -f "$stamp"
    .venv/bin/pip install -qq --disable-pip-version-check --require-hashes --no-deps --requirement "$requirements"
    rm -rf firn.egg-info # of an older state: in this folder it would hide what is installed
    .venv/bin/pip install -qq --disable-pip-version-check --no-build-isolation --no-deps --editable .
    printf '%s\n' "$want" >"$stamp"
}

if [ "${1:-}" = packages ]; then
    printf '%s\n' "${runtime_packages[@]}"
    exit
fi

# Two calls side by side would write one .venv; the second waits.
exec 9<.ci/bootstrap.sh
flock 9

case ${1:-} in
    run)
        install_packages "${runtime_packages[@]}" "${build_packages[@]}"
        make_venv run
        ;;
    test)
        install_packages "${runtime_packages[@]}" "${build_packages[@]}" "${test_packages[@]}"
        make_venv dev
        ;;
    devices)
        install_packages "${runtime_packages[@]}" "${build_packages[@]}" "${test_packages[@]}" "${devices_packages[@]}"
        make_venv dev
        ;;
    *)
        say "usage: bootstrap.sh run | test | devices | packages" >&2
        exit 2
        ;;
esac
