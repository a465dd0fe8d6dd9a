output "job_id" {
  description = "Name of the job."
  value       = var.job.job_id
}

output "aws_region" {
  description = "Region of the job."
  value       = var.aws_region
}

output "repository_url" {
  description = "URL of the repository to which deploy.sh pushes the image."
  value       = module.foundation.repository_url
}

output "checkpoint_table" {
  description = "Name of the table of checkpoints."
  value       = module.foundation.checkpoint_table
}

output "log_group_name" {
  description = "Name of the log group."
  value       = module.foundation.log_group_name
}

output "dashboard" {
  description = "Name of the dashboard."
  value       = module.foundation.dashboard
}

output "security_group_id" {
  description = "Security group of the job, for rules of the brokers' security group."
  value       = module.foundation.security_group_id
}

output "autoscaling_group" {
  description = "Name of the Auto Scaling group."
  value       = aws_autoscaling_group.this.name
}
