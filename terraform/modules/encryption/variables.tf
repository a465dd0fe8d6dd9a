variable "name" {
  description = "Name prefix of the job's resources."
  type        = string
}

variable "aws_region" {
  description = "Region of the services that use the key."
  type        = string
}

variable "log_group_name" {
  description = "The log group that is encrypted with the key."
  type        = string
}

variable "has_events" {
  description = "Whether EventBridge publishes to the topic of the alarms."
  type        = bool
}
