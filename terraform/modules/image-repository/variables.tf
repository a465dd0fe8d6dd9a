variable "name" {
  description = "Name of the repository."
  type        = string
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the images."
  type        = string
}

variable "images_kept" {
  description = "Number of images that are kept."
  type        = number
  default     = 10
}
