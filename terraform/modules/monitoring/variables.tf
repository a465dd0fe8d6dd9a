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

variable "log_group_name" {
  description = "Name of the log group."
  type        = string
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
}

variable "kms_key_arn" {
  description = "Key that encrypts logs and alarms."
  type        = string
}

variable "alarm_email" {
  description = "Who is told of alarms; empty: nobody."
  type        = string
}

variable "has_events" {
  description = "Whether EventBridge publishes to the topic of the alarms."
  type        = bool
}

variable "monthly_budget_usd" {
  description = "Cost a month in USD, of which alarm_email is told from 80 % on; 0: no budget."
  type        = number
}

variable "checkpoint_age_alarm_s" {
  description = "Age of the last checkpoint, in seconds, from which on there is an alarm."
  type        = number
  default     = 300
}
