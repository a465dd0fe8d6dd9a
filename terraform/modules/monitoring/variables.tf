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

variable "log_group_name" {
  description = "Name of the log group."
  type        = string
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
}

variable "kms_key_arn" {
  description = "KMS key that encrypts logs and alarms."
  type        = string
}

variable "alarm_email" {
  description = "Address that receives the alarms. Empty means that nobody is notified."
  type        = string
}

variable "has_events" {
  description = "Whether EventBridge publishes to the topic of the alarms."
  type        = bool
}

variable "monthly_budget_usd" {
  description = "Monthly cost in USD; alarm_email is notified at 80 %. 0 means no budget."
  type        = number
}

variable "checkpoint_age_alarm_s" {
  description = "Age of the last checkpoint in seconds at which the alarm is raised."
  type        = number
  default     = 300
}
