variable "name" {
  description = "Name of everything that belongs to the job."
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

variable "wanted" {
  description = "Metrics that are more than 0 while a job is wanted."
  type        = list(object({ namespace = string, metric = string, dimensions = map(string) }))
}

variable "alarm_topic_arn" {
  description = "SNS topic of the alarms."
  type        = string
}
