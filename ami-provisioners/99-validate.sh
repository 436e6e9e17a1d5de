#!/usr/bin/env bash
#
# Fail the bake when anything is missing, or left behind. Changes nothing.
#
# Needs   ROLE PYTHON RAY_VERSION SSM_AGENT_REQUIRED; the facts in /run/raykiln
# Leaves  nothing
# Proof   tests/cloud/test_bake.py

set -o errexit -o nounset -o pipefail
shopt -s inherit_errexit nullglob

failures=0

# expect WHAT COMMAND...: the command must succeed.
expect() {
  local what="$1"
  shift
  if ! "$@" >/dev/null 2>&1; then
    printf 'FAILED validation: %s\n' "${what}" >&2
    failures=$((failures + 1))
  fi
}

# expect_none WHAT COMMAND...: the command must print nothing.
expect_none() {
  local what="$1" found
  shift
  found="$("$@" 2>/dev/null)" || true # grep exits with 1 when it finds nothing
  if [[ -n "${found}" ]]; then
    printf 'FAILED validation: %s: %s\n' "${what}" "$(head -3 <<<"${found}" | tr '\n' ' ')" >&2
    failures=$((failures + 1))
  fi
}

# new_in FACT COMMAND...: print what the command prints and neither the base image had nor a person
# added.
new_in() {
  local fact="$1"
  shift
  { "$@" || true; } | # grep exits with 1 when it finds nothing
    grep -vxFf <(python3 -I -c "${KNOWN}" "${fact}")
}

readonly KNOWN='
import json, sys
base, before, after = (
    set(json.load(open(f"/run/raykiln/{name}.json"))[sys.argv[1]])
    for name in ("base", "before", "after")
)
# An image holds no private key of a person either: whoever may launch it could read it.
print(*base | (after - before if sys.argv[1] != "private_keys" else set()), sep="\n")
'

uncompiled() {
  find /opt/ray/lib /opt/raykiln -name '*.py' -printf '%h/__pycache__/%f\n' |
    sed 's/\.py$//' | sort >/run/raykiln-sources
  find /opt/ray/lib /opt/raykiln -name "*.cpython-${PYTHON/./}.pyc" -printf '%p\n' |
    sed "s/\.cpython-${PYTHON/./}\.pyc\$//" | sort >/run/raykiln-compiled
  comm -23 /run/raykiln-sources /run/raykiln-compiled
  rm -f /run/raykiln-sources /run/raykiln-compiled
}

ssm_agent_enabled() {
  systemctl is-enabled snap.amazon-ssm-agent.amazon-ssm-agent.service ||
    systemctl is-enabled amazon-ssm-agent.service
}

# Present and complete.
expect "Ray ${RAY_VERSION} does not answer" \
  test "$(/usr/local/bin/ray --version)" = "ray, version ${RAY_VERSION}"
expect "packages in /opt/ray conflict" /opt/ray/bin/python -B -m pip check
expect "the node package does not import" env --chdir=/opt/raykiln /opt/ray/bin/python -B -c 'import node'
expect "user ray" id ray
expect "/etc/raykiln/image.json" grep -q "\"role\": \"${ROLE}\"" /etc/raykiln/image.json
expect "/etc/raykiln/software.json" test -s /etc/raykiln/software.json
expect "ray-identity.service is not enabled" systemctl is-enabled ray-identity.service
expect "ray-logs.service is not enabled" systemctl is-enabled ray-logs.service
expect "ray-${ROLE}.service is not enabled" systemctl is-enabled "ray-${ROLE}.service"
if [[ "${SSM_AGENT_REQUIRED}" == true ]]; then
  expect "the SSM agent is not enabled" ssm_agent_enabled
fi
expect "/etc/raykiln/image.env" test -f /etc/raykiln/image.env
expect_none "the driver of an NVIDIA GPU" \
  python3 -I -c 'import json; print(*[json.load(open("/etc/raykiln/software.json"))["gpu"]["failed"]])'
expect_none "modules without .pyc" uncompiled
expect_none "files of ours that root does not own" \
  find /opt/ray /opt/raykiln /etc/raykiln ! -user root
expect_none "files of ours that others may write" \
  find /opt/ray /opt/raykiln /etc/raykiln ! -type l -perm /022

# Absent.
expect_none "host keys" find /etc/ssh -name 'ssh_host_*'
expect_none "machine id" cat /etc/machine-id
expect_none "authorized keys" find /root /home -name authorized_keys
expect_none "shell history" find /root /home -name '.*_history'
expect_none "uploads" find /tmp/raykiln
expect_none "caches of pip" find /root /home -path '*/.cache/*'
expect_none "package lists" find /var/lib/apt/lists -type f
expect_none "package archives" find /var/cache/apt/archives -name '*.deb'
expect_none "cloud-init's state" find /var/lib/cloud/instances -mindepth 1
expect_none "logs" find /var/log -type f -size +0
# virtualenv, which Ray needs, has wheels inside.
expect_none "wheels" new_in wheels find / -xdev -name '*.whl' -not -path '/opt/ray/*'
expect_none "private keys" new_in private_keys \
  grep -rlsIE '^-----BEGIN [A-Z ]*PRIVATE KEY-----' /etc /root /home /opt/raykiln
expect_none "AWS keys" grep -rlsE '\b(AKIA|ASIA)[A-Z0-9]{16}\b' /etc /root /home /opt/raykiln

if ((failures > 0)); then
  printf 'FAILED validation of the %s image: %d fault(s)\n' "${ROLE}" "${failures}" >&2
  exit 1
fi
