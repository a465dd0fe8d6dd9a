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
  description = "CPU units of the task; 1024 are one vCPU. A job uses up to two vCPUs."
  type        = number
  default     = 2048

  validation {
    condition     = contains([1024, 2048, 4096, 8192], var.task_cpu)
    error_message = "task_cpu must be 1024, 2048, 4096 or 8192."
  }
}

variable "task_memory" {
  description = "Memory of the task in MiB. A job uses 400 MB, independent of the size of the source."
  type        = number
  default     = 4096

  validation {
    # AWS's table: 2 to 8 GiB for 1024, 4 to 16 for 2048, 8 to 30 for 4096, 16 to 60 in steps of 4 for 8192.
    condition = (
      var.task_memory >= 2 * var.task_cpu &&
      var.task_memory <= (var.task_cpu < 4096 ? 8 : 7.5) * var.task_cpu &&
      var.task_memory % (var.task_cpu < 8192 ? 1024 : 4096) == 0
    )
    error_message = "task_memory must be a value that Fargate offers for task_cpu: 2 to 8 times as much, in whole GiB; up to 30720 for 4096; up to 61440 in steps of 4096 for 8192."
  }
}

variable "capacity_provider" {
  description = "FARGATE or FARGATE_SPOT. Spot is cheaper and may be interrupted; the job then resumes."
  type        = string
  default     = "FARGATE_SPOT"

  validation {
    condition     = contains(["FARGATE", "FARGATE_SPOT"], var.capacity_provider)
    error_message = "capacity_provider must be FARGATE or FARGATE_SPOT."
  }
}

variable "max_runs" {
  description = "Number of tasks that are started one after the other before the execution fails."
  type        = number
  default     = 20

  validation {
    condition     = var.max_runs >= 1 && var.max_runs <= 100
    error_message = "max_runs must be 1 to 100."
  }
}

variable "restart_delay_s" {
  description = "Seconds between the end of a task and the start of the next one."
  type        = number
  default     = 60

  validation {
    condition     = var.restart_delay_s >= 1 && var.restart_delay_s <= 3600
    error_message = "restart_delay_s must be 1 to 3600."
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
