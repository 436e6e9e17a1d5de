#!/usr/bin/env bash
#
# Enable the base image's SSM agent, a snap (Ubuntu) or a package.
#
# Needs   SSM_AGENT_REQUIRED (true or false)
# Leaves  the agent enabled; fails when it is required and the base image has none, or too old a one
# Proof   tests/image/test_units.py, tests/unit/bake/test_ssm_agent.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need SSM_AGENT_REQUIRED

# The first that does without the endpoint of ec2messages, which a VPC with endpoints alone lacks:
# docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-setting-up-messageAPIs.html
# An image may be used in any environment, so this does not depend on the one that it is baked for.
readonly OLDEST=3.3.40.0
readonly SNAP=/snap/amazon-ssm-agent/current

# Prints the agent's version. A snap's program is in no folder of PATH.
agent_version() {
  PATH="${PATH}:${SNAP}" amazon-ssm-agent -version | grep --only-matching --extended-regexp '([0-9]+\.){3}[0-9]+'
}

agent=
for unit in snap.amazon-ssm-agent.amazon-ssm-agent.service amazon-ssm-agent.service; do
  if systemctl cat "${unit}" >/dev/null 2>&1; then
    systemctl --quiet enable "${unit}"
    agent="${unit}"
    break
  fi
done

[[ "${SSM_AGENT_REQUIRED}" == true ]] || exit 0
[[ -n "${agent}" ]] ||
  die "the base image has no SSM agent: choose one that has it, or set image.ssm_agent_required = false"
version="$(agent_version)" || die "the base image's SSM agent does not say its version"
printf '%s\n' "${OLDEST}" "${version}" | sort --version-sort --check=quiet ||
  die "the base image's SSM agent is ${version}, older than ${OLDEST}: choose a newer base image"
