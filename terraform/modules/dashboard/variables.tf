variable "name" {
  description = "Name of the dashboard."
  type        = string
}

variable "namespace" {
  description = "Namespace of the job's metrics."
  type        = string
}

variable "job_id" {
  description = "The job, as its metrics name it."
  type        = string
}

variable "aws_region" {
  description = "Region of the metrics."
  type        = string
}
