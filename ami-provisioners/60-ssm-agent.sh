#!/usr/bin/env bash
#
# Enable the base image's SSM agent, a snap (Ubuntu) or a package.
#
# Needs   SSM_AGENT_REQUIRED (true or false)
# Leaves  the agent enabled; fails when it is required and the base image has none
# Proof   tests/image/test_units.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need SSM_AGENT_REQUIRED

for unit in snap.amazon-ssm-agent.amazon-ssm-agent.service amazon-ssm-agent.service; do
  if systemctl cat "${unit}" >/dev/null 2>&1; then
    systemctl --quiet enable "${unit}"
    exit 0
  fi
done
[[ "${SSM_AGENT_REQUIRED}" == false ]] ||
  die "the base image has no SSM agent: choose one that has it, or set image.ssm_agent_required = false"
