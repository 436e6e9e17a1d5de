# The build instance of one image. IMDSv2: Packer 1.6.6 refuses metadata_options, so bake/ requires tokens
# on the build instance as soon as it exists, and on the image once it is created.

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
    "raykiln:contract"    = "2" # VERSION in node/contract.py
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
    "GIT=${var.git}",
    "BUILT=${var.built}",
  ]
}

source "amazon-ebs" "image" {
  ami_name                = "ray-${var.slug}-${var.stamp}-${substr(var.digest, 0, 12)}"
  ami_description         = "Ray ${var.ray_version} ${var.role}"
  temporary_key_pair_name = "raykiln-bake-${var.slug}-${var.stamp}"
  run_tags                = local.run_tags
  run_volume_tags         = local.run_tags
  snapshot_tags           = local.image_tags
  tags                    = local.image_tags

  region        = var.region
  source_ami    = var.source_ami
  instance_type = var.instance_type
  subnet_id     = var.subnet_id

  associate_public_ip_address           = false
  temporary_security_group_source_cidrs = var.source_cidrs

  communicator  = "ssh"
  ssh_interface = "private_ip"
  ssh_username  = var.ssh_username
  ssh_timeout   = var.ssh_timeout

  launch_block_device_mappings {
    device_name = var.root_device
    volume_size = var.volume_gib
    volume_type = "gp3"
    # What gp3 includes at no extra cost; 1.6.6 sends zeros by default.
    iops                  = 3000
    throughput            = 125
    encrypted             = var.encrypted
    kms_key_id            = var.kms_key
    delete_on_termination = true
  }

  # An image may take many minutes; Packer's default timeout fails about one bake in five.
  aws_polling {
    delay_seconds = 1
    max_attempts  = 2400
  }

  shutdown_behavior = "terminate"
}
