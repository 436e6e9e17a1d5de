# The input of a bake. bake/ writes all of it into one JSON var-file; to run Packer by hand:
#   packer validate -var-file=FILE.json packer/

variable "role" {
  type        = string
  description = "head or worker: which of our units are enabled."
}

variable "image" {
  type        = string
  description = "NAME of [images.NAME]; empty: [image]."
}

variable "slug" {
  type        = string
  description = "Role and name, for the names of AWS's resources: worker-gpu."
}

variable "digest" {
  type        = string
  description = "The image's digest."
}

variable "repository" {
  type        = string
  description = "The checkout with the provisioners, the units and the node package."
}

variable "wheels" {
  type        = string
  description = "Folder on this machine with every wheel of the lock, for the image's Python."
}

variable "requirements" {
  type        = string
  description = "The lock narrowed to the image's Python and platform; hashes included."
}

variable "additions" {
  type        = string
  description = "Folder on this machine with what a person adds; bake/additions.py says what it holds."
}

variable "added_wheels" {
  type        = string
  description = "Folder on this machine with the wheels that a person adds; it may be empty."
}

variable "scripts" {
  type        = list(string)
  description = "A person's provisioners by name, in the order in which they run."
}

variable "output" {
  type        = string
  description = "Folder on this machine for the manifest, and for what Packer reads from the build instances."
}

variable "region" {
  type = string
}

variable "source_ami" {
  type        = string
  description = "The base image's id. bake/ resolves the filter, so that digest and bake agree."
}

variable "root_device" {
  type        = string
  description = "The base image's root device name."
}

variable "instance_type" {
  type = string
}

variable "subnet_id" {
  type = string
}

variable "source_cidrs" {
  type        = list(string)
  description = "CIDR ranges that may reach the build instances by SSH."

  validation {
    condition     = length(var.source_cidrs) > 0 && ! contains(var.source_cidrs, "0.0.0.0/0")
    error_message = "Give the ranges that may reach the build instances; the whole Internet may not."
  }
}

variable "ssh_username" {
  type = string
}

variable "ssh_timeout" {
  type    = string
  default = "10m"
}

variable "volume_gib" {
  type = number
}

variable "encrypted" {
  type    = bool
  default = true
}

variable "kms_key" {
  type        = string
  default     = ""
  description = "ARN of the key of the image's snapshot; empty: the account's default for EBS."
}

variable "python" {
  type        = string
  description = "The image's own Python, for example 3.11."
}

variable "ray_version" {
  type = string
}

variable "ssm_agent_required" {
  type    = bool
  default = true
}

variable "bake_id" {
  type        = string
  description = "Id of the bake; a tag of all that Packer starts, so that leftovers can be found."
}

variable "stamp" {
  type        = string
  description = "UTC, YYYYMMDDhhmmss; makes the image's name unique."
}

variable "source_date_epoch" {
  type        = number
  description = "When the base image was made, in seconds since 1970: what a bake takes for now, so that its files are the same each time (https://reproducible-builds.org/specs/source-date-epoch/)."
}

variable "deprecate_at" {
  type        = string
  description = "When EC2 deprecates the image, in ISO 8601. Packer 1.6.6 cannot set it."
}

variable "description" {
  type        = string
  description = "What EC2 shows of the image. Packer 1.6.6 would set it before the image has tags: bake/ does."
}

variable "git" {
  type = string
}

variable "tags" {
  type    = map(string)
  default = {}
}
