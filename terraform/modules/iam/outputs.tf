output "job_role_arn" {
  description = "ARN of the job's role."
  value       = aws_iam_role.job.arn
}

output "job_role_name" {
  description = "Name of the job's role."
  value       = aws_iam_role.job.name
}

output "execution_role_arn" {
  description = "ARN of the role that starts the container; empty for an instance."
  value       = local.on_instance ? "" : aws_iam_role.execution[0].arn
}
