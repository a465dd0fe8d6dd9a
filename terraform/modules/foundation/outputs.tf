output "name" {
  description = "Name of everything that belongs to the job."
  value       = local.name
}

output "namespace" {
  description = "Namespace of the job's metrics."
  value       = local.namespace
}

output "environment" {
  description = "Settings of the job, as environment variables."
  value       = local.environment
}

output "secrets" {
  description = "Settings of the job that are fetched from Secrets Manager: name and reference in the format of ECS and Batch."
  value       = local.secrets
}

output "security_group_id" {
  description = "Security group of the job."
  value       = module.network.security_group_id
}

output "job_role_arn" {
  description = "ARN of the job's role."
  value       = module.iam.job_role_arn
}

output "job_role_name" {
  description = "Name of the job's role."
  value       = module.iam.job_role_name
}

output "execution_role_arn" {
  description = "ARN of the role that starts the container; empty for an instance."
  value       = module.iam.execution_role_arn
}

output "repository_url" {
  description = "URL of the image repository, without a tag."
  value       = module.image_repository.url
}

output "checkpoint_table" {
  description = "Table of the checkpoints."
  value       = module.checkpoint_table.name
}

output "log_group_name" {
  description = "Name of the log group."
  value       = module.monitoring.log_group_name
}

output "alarm_topic_arn" {
  description = "SNS topic of the alarms."
  value       = module.monitoring.alarm_topic_arn
}

output "dashboard" {
  description = "Name of the dashboard."
  value       = module.dashboard.name
}

output "kafka_secret_arn" {
  description = "ARN of the secret with Kafka's user and password, or empty."
  value       = var.job.kafka_secret_arn
}
