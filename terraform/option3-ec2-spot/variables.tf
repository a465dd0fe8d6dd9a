variable "aws_region" {
  description = "Region of the bucket, the MSK cluster and the job."
  type        = string
}

# The attributes of the three objects, their defaults and their rules are in ../modules/foundation/variables.tf; an example
# with all of them is terraform.tfvars.example.
variable "job" {
  description = "The job: what it reads, where it writes, and how."
  type        = any
}

variable "network" {
  description = "Where the job runs, and how it reaches Kafka and AWS."
  type        = any
}

variable "monitoring" {
  description = "Logs, alarms and the budget of the job."
  type        = any
  default     = {}
}

variable "image_tag" {
  description = "Tag of the image. deploy.sh passes the commit."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be the tag of an image other than latest: tags never change."
  }
}

variable "instance_type" {
  description = "Instance type, x86_64. A job uses up to two cores."
  type        = string
  default     = "c7i.large"

  validation {
    condition     = can(regex("^[a-z]+[0-9]+[a-fh-z]*[.][0-9a-z]+$", var.instance_type))
    error_message = "instance_type must be a type with x86_64, such as c7i.large (a g after the number means ARM)."
  }
}

variable "other_instance_types" {
  description = "Instance types to use if instance_type has no capacity, each x86_64 and at least as large. With a single type a Spot job may wait for hours."
  type        = list(string)
  default     = ["c6i.large", "c7a.large", "m7i.large", "m6i.large"]

  validation {
    condition     = alltrue([for each in var.other_instance_types : can(regex("^[a-z]+[0-9]+[a-fh-z]*[.][0-9a-z]+$", each))])
    error_message = "other_instance_types must be types with x86_64, such as c7i.large (a g after the number means ARM)."
  }
}

variable "max_runs" {
  description = "Number of times that the container is started on one machine before the job is given up."
  type        = number
  default     = 20

  validation {
    condition     = var.max_runs >= 1 && var.max_runs <= 100
    error_message = "max_runs must be 1 to 100."
  }
}

variable "on_demand" {
  description = "Whether to use an on-demand instance, at its full price: it is not interrupted, and capacity is almost always available."
  type        = bool
  default     = false
}

variable "container_command" {
  description = "Command of the container, as words without spaces: sequence, or verify-topic with its options (docs/how-to/aws.md)."
  type        = list(string)
  default     = ["sequence"]

  validation {
    condition     = length(var.container_command) > 0 && alltrue([for word in var.container_command : can(regex("^[A-Za-z0-9._:/@%+=,-]+$", word))])
    error_message = "container_command must be words of letters, digits and ._:/@%+=,-."
  }
}

variable "job_timeout_s" {
  description = "Seconds after which the job (with Batch: one attempt) is stopped and an alarm is raised. A job that is started again resumes."
  type        = number
  default     = 86400

  validation {
    condition     = var.job_timeout_s >= 60
    error_message = "job_timeout_s must be 60 or more."
  }
}
