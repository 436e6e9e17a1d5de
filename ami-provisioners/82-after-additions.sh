#!/usr/bin/env bash
#
# Record what the image has once a person's additions are in it.
#
# Needs   UPLOADS
# Leaves  /run/raykiln/after.json, which Packer copies into the image's folder
# Proof   tests/unit/bake/test_image_facts.py, tests/cloud/test_bake.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS

if cmp --quiet /run/raykiln/base.json /run/raykiln/before.json; then
  cp /run/raykiln/before.json /run/raykiln/after.json
  exit 0
fi
python3 -I "${UPLOADS}/provisioners/facts.py" >/run/raykiln/after.json
chmod 0644 /run/raykiln/after.json
