output "security_group_id" {
  description = "Security group of the job."
  value       = aws_security_group.job.id
}
