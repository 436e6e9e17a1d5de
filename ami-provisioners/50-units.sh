#!/usr/bin/env bash
#
# Install the units, and enable those of this image's role.
#
# Needs   UPLOADS ROLE
# Leaves  systemd/ in /etc/systemd/system; roles/ROLE.units enabled, roles/masked.units masked;
#         roles/ROLE.tmpfiles.conf in /etc/tmpfiles.d
# Proof   tests/image/test_units.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS ROLE

roles="${UPLOADS}/provisioners/roles"
[[ -f "${roles}/${ROLE}.units" ]] || die "there is no role ${ROLE}"

install -o root -g root -m 0644 "${UPLOADS}"/systemd/*.* /etc/systemd/system/
install -o root -g root -m 0644 "${roles}/${ROLE}.tmpfiles.conf" /etc/tmpfiles.d/raykiln-role.conf
systemctl daemon-reload
entries "${roles}/${ROLE}.units" | xargs --no-run-if-empty systemctl --quiet enable
entries "${roles}/masked.units" | xargs --no-run-if-empty systemctl --quiet mask
