variable "name" {
  description = "Name prefix of the job's resources."
  type        = string
}

variable "runs_on" {
  description = "container if ECS or Batch starts the job with its own role, or instance if the job uses the machine's role."
  type        = string
}

variable "aws_region" {
  description = "Region of the job."
  type        = string
}

variable "job_id" {
  description = "Name of the job: key of its checkpoint, and its transactional id."
  type        = string
}

variable "sources" {
  description = "Objects to read; a key that ends in a slash is a prefix."
  type        = list(object({ bucket = string, key = string }))
}

variable "schema" {
  description = "Object with the schema of the columns, or null."
  type        = object({ bucket = string, key = string })
}

variable "s3_kms_key_arn" {
  description = "KMS key that encrypts the source. Empty if S3 manages the key."
  type        = string
}

variable "kafka_security" {
  description = "iam, tls, scram or plaintext; permissions on Kafka are granted for iam only."
  type        = string
}

variable "kafka_secret_arn" {
  description = "Secret with Kafka's user and password, or empty."
  type        = string
}

variable "kafka_secret_kms_key_arn" {
  description = "KMS key that encrypts the secret. Empty if there is no secret, or Secrets Manager manages the key."
  type        = string
}

variable "msk_cluster_arn" {
  description = "ARN of the MSK cluster."
  type        = string
}

variable "kafka_topic" {
  description = "Topic of the records."
  type        = string
}

variable "dead_letter_topic" {
  description = "Dead-letter topic."
  type        = string
}

variable "dead_letters" {
  description = "Whether invalid rows go to the dead-letter topic."
  type        = bool
}

variable "mode" {
  description = "exclusive or transactional."
  type        = string
}

variable "fence" {
  description = "Whether the job may set the topic's option that refuses old records."
  type        = bool
}

variable "partitions" {
  description = "Number of ranges of the source. If there are several, each has its own checkpoint and transactional id: JOB_ID.p0 and so on."
  type        = number
}

variable "checkpoint_table_arn" {
  description = "ARN of the table of checkpoints."
  type        = string
}

variable "namespace" {
  description = "Namespace of the metrics."
  type        = string
}

variable "repository_arn" {
  description = "ARN of the image repository."
  type        = string
}

variable "log_group_arn" {
  description = "ARN of the log group."
  type        = string
}
