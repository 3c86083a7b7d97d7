#!/bin/bash
# Makes a Debian 12 machine, as root, into one that tries Firn on devices: the virtual library, Firn under systemd, samples.
#
#   provision.sh CHECKOUT [STEP...]      all steps without any named, in this order; each may be repeated
#
#   packages   Debian packages (needs the network)
#   settings   of the system
#   firn       the checkout to /opt/firn with its .venv (needs the network; FIRN_VENV names one that is there already)
#   library    devices: the simulator's robot and drives, tgt's recorder; attached now and at every start
#   services   user, units, configuration, an empty archive, rules; started
#   samples    sample studies
set -euo pipefail
checkout=$(readlink -f "${1:?the folder with the checkout}")
here=$checkout/.ci/vm
shift
steps=("$@")
[ ${#steps[@]} -gt 0 ] || steps=(packages settings firn library services samples)

# Not with this script's environment: Firn takes each FIRN_ variable for a setting.
firn() { runuser -u firn -- env -i PATH="$PATH" LANG=C.UTF-8 /opt/firn/.venv/bin/firn --config /etc/firn/firn.toml "$@"; }

packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update
    mapfile -t names < <("$checkout/.ci/bootstrap.sh" packages && sed -n 's/^\([a-z][^ #]*\).*/\1/p' "$here/guest/packages")
    apt-get -q -y install --no-install-recommends "${names[@]}" python3-venv linux-image-amd64
}

settings() {
    "$here/guest/settings"
    modprobe -a iscsi_tcp sg st ch sr_mod || {
        echo "provision.sh: this kernel lacks drivers of libraries; restart the machine with Debian's linux-image-amd64" >&2
        return 1
    }
}

firn_itself() {
    mkdir -p /opt/firn
    rsync -a --delete --exclude /.venv --exclude /var --exclude /.git "$checkout/" /opt/firn/
    if [ -n "${FIRN_VENV:-}" ]; then
        mkdir -p /opt/firn/.venv
        mountpoint -q /opt/firn/.venv || mount --bind "$FIRN_VENV" /opt/firn/.venv
    else
        /opt/firn/.ci/bootstrap.sh run
    fi
    install -D -m 644 /opt/firn/systemd/firn.sysusers.conf /etc/sysusers.d/firn.conf
    systemd-sysusers
    install -m 644 /opt/firn/systemd/61-firn.rules /etc/udev/rules.d/
    udevadm control --reload
}

library() {
    install -d -o firn -g firn /var/lib/firn-library
    install -m 644 "$here"/box/*.service /etc/systemd/system/
    systemctl daemon-reload
    systemctl enable --now firn-simulator.service firn-library.service
}

services() {
    install -d -o firn -g firn -m 750 /var/lib/firn /etc/firn
    install -m 640 -g firn "$here/box/firn.toml" /etc/firn/firn.toml
    install -m 644 /opt/firn/systemd/*.service /opt/firn/systemd/*.target /etc/systemd/system/
    systemctl daemon-reload
    firn pool init
    firn policy apply "$here/box/rules.policy"
    firn volumes add D00001 D00002 D00003 D00004 --pool disc --location drawer
    systemctl enable firn.target firn-pacs.service firn-engine.service firn-web.service
    systemctl start firn.target
}

samples() {
    firn feed
}

for step in "${steps[@]}"; do
    case $step in
        packages | settings | library | services | samples) "$step" ;;
        firn) firn_itself ;;
        *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
