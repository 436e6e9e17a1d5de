#!/usr/bin/env bash
#
# Turn a Debian tree into an AMI's: trust the local cloud's CA, mask what a machine without a console,
# a package mirror, disks and DHCP only loses time with, and remove what belongs to one machine.
#
# Needs   to run inside the tree (chroot)
# Leaves  a tree that cloud-init finishes at first boot

set -o errexit -o nounset -o pipefail

update-ca-certificates >/dev/null
python3 -m compileall -q /usr/lib/python3/dist-packages/local_cloud_sources
systemctl --quiet enable ssh.service
systemctl --quiet mask \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
  e2scrub_reap.service console-getty.service getty.target cloud-init-hotplugd.socket \
  systemd-networkd.service systemd-resolved.service systemd-firstboot.service
# From 24.3 on, cloud-init is one process, which waits for this stage to start too.
if [[ ! -e /usr/lib/systemd/system/cloud-init-main.service ]]; then
  systemctl --quiet mask cloud-init-local.service
fi
rm -f /etc/hostname /etc/ssh/ssh_host_* /var/log/*.log /var/log/apt/*
rm -rf /var/lib/apt/lists/* /var/lib/cloud/*
: >/etc/machine-id
