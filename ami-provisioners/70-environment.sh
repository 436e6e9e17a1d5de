#!/usr/bin/env bash
#
# Install the environment variables that a person gives to Ray and its workers. The units read it
# before ours, so that ours hold.
#
# Needs   UPLOADS
# Leaves  /etc/raykiln/image.env, empty without any
# Proof   tests/image/test_additions.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS

install -d -m 0755 /etc/raykiln
install -o root -g root -m 0644 "${UPLOADS}/additions/image.env" /etc/raykiln/image.env
