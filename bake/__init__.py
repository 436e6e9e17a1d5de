"""From the files that shape an image to a verified AMI: digest, Packer, image tests, catalog."""
