# The build instance of one image, for Packer 1.6.6, which CI has. It refuses metadata_options, imds_support
# and deprecate_at, and would tag neither key pair nor security group: bake/ does that with calls of its own.

variable "key_pair_name" {
  type        = string
  description = "The build instance's key pair."
}

variable "private_key_file" {
  type        = string
  description = "File on this machine with its private key."
}

variable "security_group_id" {
  type        = string
  description = "The build instance's security group."
}

source "amazon-ebs" "image" {
  ami_name        = "ray-${var.slug}-${var.stamp}-${substr(var.digest, 0, 12)}"
  run_tags        = local.run_tags
  run_volume_tags = local.run_tags
  snapshot_tags   = local.image_tags
  tags            = local.image_tags

  region        = var.region
  source_ami    = var.source_ami
  instance_type = var.instance_type
  subnet_id     = var.subnet_id

  associate_public_ip_address = false
  security_group_id           = var.security_group_id

  communicator         = "ssh"
  ssh_interface        = "private_ip"
  ssh_username         = var.ssh_username
  ssh_keypair_name     = var.key_pair_name
  ssh_private_key_file = var.private_key_file
  ssh_timeout          = var.ssh_timeout

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
