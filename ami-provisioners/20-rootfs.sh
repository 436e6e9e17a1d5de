#!/usr/bin/env bash
#
# Copy rootfs/ unchanged: limits, sysctls, tmpfiles, logrotate, the ray command.
#
# Needs   UPLOADS
# Leaves  every file of rootfs/ at its path, owned by root
# Proof   tests/image/test_files.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS

[[ -x /usr/sbin/nft ]] || die "the base image has no nft: take one with the package nftables"
cd "${UPLOADS}/provisioners/rootfs"
find . -type f -print0 | while IFS= read -r -d '' file; do
  mode=0644
  # Uploading does not keep modes; the path shows which files are commands.
  [[ "${file}" == ./usr/local/bin/* ]] && mode=0755
  install -D -o root -g root -m "${mode}" "${file}" "/${file}"
done
systemd-tmpfiles --create raykiln.conf
