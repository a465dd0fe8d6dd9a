variable "name" {
  description = "Name of the dashboard."
  type        = string
}

variable "namespace" {
  description = "Namespace of the job's metrics."
  type        = string
}

variable "job_id" {
  description = "Name of the job in its metrics."
  type        = string
}

variable "aws_region" {
  description = "Region of the metrics."
  type        = string
}
