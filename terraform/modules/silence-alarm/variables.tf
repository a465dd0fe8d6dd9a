variable "name" {
  description = "Name prefix of the job's resources."
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

variable "wanted" {
  description = "Metrics that are greater than 0 while a job should run."
  type        = list(object({ namespace = string, metric = string, dimensions = map(string) }))
}

variable "alarm_topic_arn" {
  description = "SNS topic of the alarms."
  type        = string
}
