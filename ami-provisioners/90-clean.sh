#!/usr/bin/env bash
#
# Remove all that belongs to the build instance and must not be in an image.
#
# Needs   nothing
# Leaves  no keys, no machine id, no logs, no caches, no uploads, no cloud-init state
# Proof   99-validate.sh, tests/image/test_clean.py

set -o errexit -o nounset -o pipefail
shopt -s inherit_errexit nullglob dotglob

homes=(/root /home/*)
readonly SUDOERS=/etc/sudoers.d/90-cloud-init-users

# Services that would write again while the instance stops.
if [[ -d /var/log/journal ]]; then
  journalctl --relinquish-var
fi
for unit in syslog.socket rsyslog.service systemd-random-seed.service \
  amazon-ssm-agent.service snap.amazon-ssm-agent.amazon-ssm-agent.service; do
  if systemctl --quiet is-active "${unit}"; then
    systemctl stop "${unit}"
  fi
done

# Identity: each instance creates its own at first boot. An empty machine-id, not a missing one: to
# machine-id(5) a missing one means first boot, which would reset units to their presets.
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
rm -f /etc/hostname
rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
# cloud-init says in them when the build instance booted, and what it is called.
if [[ -f "${SUDOERS}" ]]; then
  sed -i '/^# Created by cloud-init/d' "${SUDOERS}"
fi
sed -i "/[[:space:]]$(uname -n)\([[:space:]]\|\$\)/d" /etc/hosts
rm -rf /var/lib/dhcp/* /etc/udev/rules.d/70-persistent-net.rules
rm -f /etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init
rm -rf /var/lib/amazon/ssm/*

# Traces of users.
for home in "${homes[@]}"; do
  rm -rf "${home}"/.ssh "${home}"/.cache "${home}"/.*_history "${home}"/.lesshst \
    "${home}"/.viminfo "${home}"/.wget-hsts "${home}"/.sudo_as_admin_successful
done

# Caches, uploads, state.
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
rm -f /var/cache/ldconfig/aux-cache # holds inodes and times
cloud-init clean --logs
rm -rf /tmp/raykiln /var/tmp/*
find /var/log -type f -delete
rm -rf /var/log/journal/*
sync
