# Checked by the options, which pass them on.

variable "aws_region" {
  description = "Region of bucket, MSK cluster and job."
  type        = string
}

variable "s3_bucket" {
  description = "Bucket of the source."
  type        = string
}

variable "s3_key" {
  description = "Key of the source; a prefix that ends in a slash is all objects below it, in the order of their keys."
  type        = string
}

variable "kafka_bootstrap_servers" {
  description = "Brokers, host:port, separated by commas."
  type        = string
}

variable "kafka_security" {
  description = "How the brokers let the job in: iam, tls, scram or plaintext."
  type        = string
}

variable "kafka_secret_arn" {
  description = "Secret with username and password for scram; empty: none."
  type        = string
}

variable "kafka_secret_kms_key_arn" {
  description = "Key of your own that encrypts that secret; empty: none."
  type        = string
}

variable "extra_environment" {
  description = "More settings of the sequencer, by their names in .env.example."
  type        = map(string)
}

variable "has_events" {
  description = "Whether EventBridge publishes to the topic of the alarms."
  type        = bool
  default     = false
}

variable "kafka_topic" {
  description = "Topic of the records; it has to exist. Bad rows go to the topic with -dlq behind it."
  type        = string
}

variable "kafka_partition" {
  description = "Partition that the records go to."
  type        = number
}

variable "msk_cluster_arn" {
  description = "ARN of the MSK cluster; the rights on its topic are made from it."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the MSK cluster and of the job."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of the VPC in which the job may run."
  type        = list(string)
}

variable "job_id" {
  description = "Name of the job; the same name goes on where it stopped. It stands in the name of every resource."
  type        = string
}

variable "mode" {
  description = "exclusive: the partition is the job's own; transactional: it is shared."
  type        = string
}

variable "fence" {
  description = "Exclusive mode: let the job set the topic's message.timestamp.before.max.ms, so that Kafka refuses requests of an earlier process that arrive late. Needs Kafka 3.6 (MSK 3.6) or newer; an older one has no such option, and the job warns."
  type        = bool
}

variable "require_durable_topic" {
  description = "Refuse a topic that may lose acknowledged records with one broker (replication factor or min.insync.replicas below 2)."
  type        = bool
}

variable "compression" {
  description = "gzip, lz4, zstd, snappy or none; zstd is as small as gzip and four times as fast."
  type        = string
}

variable "on_bad_row" {
  description = "What a bad row leads to: stop, or dead-letter."
  type        = string
}

variable "s3_kms_key_arn" {
  description = "Key of your own that encrypts the source; empty: none."
  type        = string
}

variable "kafka_security_group_id" {
  description = "Security group of the brokers, which gets a rule that lets the job in; empty: their rules are yours."
  type        = string
}

variable "create_vpc_endpoints" {
  description = "Make the VPC endpoints that the job needs; false: the subnets have a NAT, and HTTPS may go anywhere."
  type        = bool
}

variable "route_table_ids" {
  description = "Route tables of the subnets, for gateway endpoints of S3 and DynamoDB; empty: they have them."
  type        = list(string)
}

variable "alarm_email" {
  description = "Who is told of alarms; empty: nobody."
  type        = string
}

variable "monthly_budget_usd" {
  description = "Cost of the job's resources a month, in USD, of which alarm_email is told from 80 % on; 0: no budget. The tag JobId has to be an active cost allocation tag."
  type        = number
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
}

variable "cost_per_hour" {
  description = "What the machine costs in USD an hour, for the estimate in the metrics; look it up."
  type        = number
}

variable "runs_on" {
  description = "container, or instance; see the module iam."
  type        = string
}

variable "interface_endpoints" {
  description = "Services that are called through interface endpoints."
  type        = list(string)
}
