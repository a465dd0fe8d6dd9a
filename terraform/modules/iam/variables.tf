variable "name" {
  description = "Name of everything that belongs to the job."
  type        = string
}

variable "runs_on" {
  description = "container: ECS and Batch start it, with a role of its own; instance: the machine's role is the job's."
  type        = string
}

variable "aws_region" {
  description = "Region of the job."
  type        = string
}

variable "job_id" {
  description = "The job: key of its checkpoint, and its transactional id."
  type        = string
}

variable "sources" {
  description = "Objects that are read; a key that ends in a slash is a prefix."
  type        = list(object({ bucket = string, key = string }))
}

variable "schema" {
  description = "Object that types the columns; null: none."
  type        = object({ bucket = string, key = string })
}

variable "s3_kms_key_arn" {
  description = "Key that encrypts the source; empty: none but S3's own."
  type        = string
}

variable "kafka_security" {
  description = "iam, tls, scram or plaintext; rights on Kafka are given for iam alone."
  type        = string
}

variable "kafka_secret_arn" {
  description = "Secret with Kafka's user and password; empty: none."
  type        = string
}

variable "kafka_secret_kms_key_arn" {
  description = "Key that encrypts the secret; empty: none, or that of Secrets Manager."
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
  description = "Topic of bad rows."
  type        = string
}

variable "dead_letters" {
  description = "Whether bad rows go to the dead-letter topic."
  type        = bool
}

variable "mode" {
  description = "exclusive or transactional."
  type        = string
}

variable "fence" {
  description = "Whether the job may set the option of the topic that refuses old records."
  type        = bool
}

variable "partitions" {
  description = "Ranges of the source; more than one: each has a checkpoint and a transactional id of its own, JOB_ID.p0 and so on."
  type        = number
}

variable "checkpoint_table_arn" {
  description = "ARN of the table of the checkpoints."
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
