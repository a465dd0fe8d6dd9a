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

variable "task_cpu" {
  description = "CPU units of the container; 1024 are one vCPU. A job uses up to two vCPUs."
  type        = number
  default     = 2048

  validation {
    condition     = contains([1024, 2048, 4096, 8192], var.task_cpu)
    error_message = "task_cpu must be 1024, 2048, 4096 or 8192."
  }
}

variable "task_memory" {
  description = "Memory of the container in MiB. A job uses 400 MB, independent of the size of the source."
  type        = number
  default     = 3072

  validation {
    condition     = var.task_memory >= 1024 && var.task_memory <= 131072
    error_message = "task_memory must be 1024 to 131072."
  }
}

variable "instance_type" {
  description = "Instance type, x86_64. It must provide task_cpu and task_memory; Batch reserves some of its memory."
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

variable "job_timeout_s" {
  description = "Seconds after which the job (with Batch: one attempt) is stopped and an alarm is raised. A job that is started again resumes."
  type        = number
  default     = 86400

  validation {
    condition     = var.job_timeout_s >= 60
    error_message = "job_timeout_s must be 60 or more."
  }
}

variable "on_demand_fallback" {
  description = "Whether to use an on-demand instance, at its full price, if no type has Spot capacity."
  type        = bool
  default     = false
}

variable "runnable_limit_s" {
  description = "Seconds that a job may wait for an instance before it is cancelled and an alarm is raised."
  type        = number
  default     = 3600

  validation {
    condition     = var.runnable_limit_s >= 600 && var.runnable_limit_s <= 86400
    error_message = "runnable_limit_s must be 600 to 86400."
  }
}
