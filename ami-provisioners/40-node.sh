#!/usr/bin/env bash
#
# Install the node package: head guard, heartbeat, worker watchdog.
#
# Needs   UPLOADS
# Leaves  /opt/raykiln/node, owned by root; 86-reproducible.sh compiles it
# Proof   tests/image/test_files.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS

rm -rf /opt/raykiln
cd "${UPLOADS}"
find node -type f -name '*.py' -print0 | while IFS= read -r -d '' module; do
  install -D -o root -g root -m 0644 "${module}" "/opt/raykiln/${module}"
done
