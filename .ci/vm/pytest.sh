#!/bin/bash
# Runs pytest in the test machine, on a copy of this checkout.
#
#   pytest.sh RESULTS SECONDS ARGUMENT...     RESULTS gets results.xml (JUnit), what tests leave in $FIRN_RESULTS, and dmesg
#
# FIRN_VM_INIT=systemd: with systemd running, as on a real machine.
# Makes the machine and the disk with .venv first, where they are missing. Exit status: pytest's, or run.sh's.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
checkout=$PWD
results=${1:?a folder for the results} limit_s=${2:?a time limit in seconds}
shift 2
mkdir -p "$results"
rm -f "$results"/{failures.txt,results.xml,dmesg}
results=$(readlink -f "$results")

image=$(.ci/vm/build.sh)
cache=$(dirname "$image")

# .venv for the machine's own interpreter. On a disk, because a shared folder costs an emulated processor a minute of imports.
python=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$python" != 3.11 ]; then
    echo "firn: test machine: it has Python 3.11, and .venv was made with $python; take Debian's python3 and remove .venv" >&2
    exit 1
fi
libraries=.venv/lib/python3.11/site-packages
# Firn itself is left out of it: what its metadata say (commands, kinds of drivers) is made from the checkout each time.
fingerprint=$({ cat .ci/vm/pytest.sh; ls "$libraries" | grep -v firn; } | sha256sum | cut -c 1-16)
disk=$cache/venv-$fingerprint.img
stage=$(mktemp -d "${TMPDIR:-/tmp}/firn-vm-stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
exec 9>"$cache/venv.lock"
flock 9
if [ ! -e "$disk" ]; then
    mkdir -p "$stage/venv/bin" "$stage/venv/lib/python3.11/site-packages"
    ln -s /usr/bin/python3.11 "$stage/venv/bin/python"
    printf '%s\n' 'home = /usr/bin' 'include-system-site-packages = false' 'version = 3.11' >"$stage/venv/pyvenv.cfg"
    # Runs the checkout it is mounted in, wherever that is.
    cat >"$stage/venv/bin/firn" <<'FIRN'
#!/bin/sh
here=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
PYTHONPATH=$here exec "$here/.venv/bin/python" -m appliance.cli "$@"
FIRN
    chmod 755 "$stage/venv/bin/firn"
    tar -C "$libraries" --exclude='./mypy*' --exclude='./ruff*' --exclude='./libcst*' --exclude='./pip*' --exclude='*/tests' \
        --exclude='./firn-*' --exclude='./__editable__*firn*' -cf - . |
        tar -C "$stage/venv/lib/python3.11/site-packages" -xf -
    .venv/bin/python -m compileall -q -j 2 "$stage/venv/lib" >/dev/null || true # some templates are not Python
    truncate -s "$(($(du -sk "$stage/venv" | cut -f 1) * 5 / 4 + 32768))K" "$stage/disk"
    PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q -F -O ^has_journal -m 0 -d "$stage/venv" "$stage/disk"
    rm -rf "$stage/venv"
    rm -f "$cache"/venv-*.img
    mv "$stage/disk" "$disk"
fi
flock -u 9

# A copy: nobody changes it meanwhile, it is compiled here and not there, and what runs there cannot reach the checkout.
mkdir "$stage/checkout"
tar --exclude=./.git --exclude=./.venv --exclude=./var --exclude='__pycache__' --exclude='./.*_cache' --exclude=./mutants -cf - . |
    tar -C "$stage/checkout" -xf -
mkdir -p "$stage/checkout/.venv"
rm -rf "$stage/checkout/firn.egg-info"
(cd "$stage/checkout" && "$checkout/.venv/bin/python" -c 'import setuptools; setuptools.setup()' -q egg_info) >"$stage/log" 2>&1 ||
    { cat "$stage/log" >&2; exit 1; }
(cd "$stage/checkout" && "$checkout/.venv/bin/python" -m compileall -q -j 2 --invalidation-mode unchecked-hash -s "$stage/checkout" -p "$checkout" \
    appliance hsm drivers web tests)

how=()
[ "${FIRN_VM_INIT:-}" != systemd ] || how=(--systemd --env FIRN_VM_INIT=systemd)
.ci/vm/run.sh ${how[@]+"${how[@]}"} --image "$image" --time "$limit_s" --share "$stage/checkout:$checkout" --disk "$disk:$checkout/.venv" \
    --results "$results:/results" --dmesg "$results/dmesg" --folder "$checkout" \
    --env FIRN_RESULTS=/results --env FIRN_VM=1 --env FIRN_VENV="$checkout/.venv" --env TMPDIR=/scratch --env FIRN_LIBRARY=/scratch/library \
    --env PYTHONDONTWRITEBYTECODE=1 -- \
    .venv/bin/python -m pytest -p no:cacheprovider -p no:xdist --junit-xml /results/results.xml "$@"
