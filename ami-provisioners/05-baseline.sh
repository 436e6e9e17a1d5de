#!/usr/bin/env bash
#
# Record what the base image has before anything of ours is in it: an image must have that, ours,
# and nothing else. In /run, which no image contains.
#
# Needs   UPLOADS
# Leaves  /run/raykiln/base.json, which Packer copies into the bake's folder
# Proof   tests/image/, tests/cloud/test_bake.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS

install -d -m 0755 /run/raykiln
python3 -I "${UPLOADS}/provisioners/facts.py" >/run/raykiln/base.json
chmod 0644 /run/raykiln/base.json
