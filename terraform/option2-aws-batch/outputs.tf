output "job_id" {
  description = "Name of the job."
  value       = var.job_id
}

output "aws_region" {
  description = "Region of the job."
  value       = var.aws_region
}

output "repository_url" {
  description = "Where deploy.sh pushes the image to."
  value       = module.foundation.repository_url
}

output "checkpoint_table" {
  description = "Table of the checkpoints."
  value       = module.foundation.checkpoint_table
}

output "log_group_name" {
  description = "Where the job logs."
  value       = module.foundation.log_group_name
}

output "dashboard" {
  description = "Name of the dashboard."
  value       = module.foundation.dashboard
}

output "security_group_id" {
  description = "Security group of the job, for the rules of the brokers."
  value       = module.foundation.security_group_id
}

output "job_queue" {
  description = "Queue of the job."
  value       = aws_batch_job_queue.this.name
}

output "job_definition" {
  description = "Definition of the job, with its revision."
  value       = aws_batch_job_definition.this.arn
}
