# What both templates share: tags, and how provisioners run.

packer {
  required_version = ">= 1.6.6"
}

locals {
  image_tags = merge(var.tags, { for name in compact([var.image]) : "raykiln:image" => name }, {
    "Name"                = "ray-${var.slug}"
    "raykiln:role"        = var.role
    "raykiln:digest"      = var.digest
    "raykiln:ray-version" = var.ray_version
    "raykiln:git"         = var.git
    "raykiln:source-ami"  = var.source_ami
    "raykiln:contract"    = "4" # VERSION in node/contract.py
  })
  run_tags = merge(var.tags, {
    "Name"         = "raykiln-bake-${var.slug}"
    "raykiln:bake" = var.bake_id
  })

  as_root         = "sudo env {{ .Vars }} bash {{ .Path }}"
  in_their_folder = "chmod 0755 {{ .Path }} && cd /tmp/raykiln/additions/provisioners && sudo env {{ .Vars }} {{ .Path }}"
  environment_vars = [
    "PROVISIONER_LIB=/tmp/raykiln/provisioners/lib.sh",
    "UPLOADS=/tmp/raykiln",
    "ROLE=${var.role}",
    "IMAGE=${var.image}",
    "PYTHON=${var.python}",
    "RAY_VERSION=${var.ray_version}",
    "SSM_AGENT_REQUIRED=${var.ssm_agent_required}",
    "DIGEST=${var.digest}",
    "SOURCE_DATE_EPOCH=${var.source_date_epoch}",
  ]
}
