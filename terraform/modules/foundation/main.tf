# What a job has wherever it runs: key, network, rights, checkpoints, image, logs, alarms, dashboard, settings.
locals {
  name           = "csvpipe-${var.job_id}"
  namespace      = "csvpipe"
  log_group_name = "/csvpipe/${var.job_id}"
  dead_letters   = var.on_bad_row == "dead-letter"
  dlq            = "${var.kafka_topic}-dlq"
  kafka_ports    = distinct([for broker in split(",", var.kafka_bootstrap_servers) : tonumber(split(":", trimspace(broker))[1])])

  # Every name is a setting of sequencer/settings.py; a test holds them together.
  environment = {
    AWS_REGION              = var.aws_region
    S3_BUCKET               = var.s3_bucket
    S3_KEY                  = var.s3_key
    KAFKA_BOOTSTRAP_SERVERS = var.kafka_bootstrap_servers
    KAFKA_TOPIC             = var.kafka_topic
    KAFKA_PARTITION         = tostring(var.kafka_partition)
    KAFKA_SECURITY          = "iam"
    JOB_ID                  = var.job_id
    MODE                    = var.mode
    FENCE                   = tostring(var.fence)
    COMPRESSION             = var.compression
    ON_BAD_ROW              = var.on_bad_row
    DEAD_LETTER_TOPIC       = local.dlq
    CHECKPOINT_TABLE        = module.checkpoint_table.name
    CLOUDWATCH_NAMESPACE    = local.namespace
    COST_PER_HOUR           = tostring(var.cost_per_hour)
    LOG_FORMAT              = "json"
    STOP_WITHIN_S           = "90"
    STOPPED_EXIT_CODE       = "75"
  }
}

module "encryption" {
  source = "../encryption"

  name           = local.name
  aws_region     = var.aws_region
  log_group_name = local.log_group_name
}

module "network" {
  source = "../network"

  name                    = local.name
  aws_region              = var.aws_region
  vpc_id                  = var.vpc_id
  subnet_ids              = var.subnet_ids
  kafka_ports             = local.kafka_ports
  kafka_security_group_id = var.kafka_security_group_id
  create_vpc_endpoints    = var.create_vpc_endpoints
  interface_endpoints     = var.interface_endpoints
  route_table_ids         = var.route_table_ids
}

module "checkpoint_table" {
  source = "../checkpoint-table"

  name        = "${local.name}-checkpoints"
  kms_key_arn = module.encryption.key_arn
}

module "image_repository" {
  source = "../image-repository"

  name        = local.name
  kms_key_arn = module.encryption.key_arn
}

module "monitoring" {
  source = "../monitoring"

  name               = local.name
  aws_region         = var.aws_region
  namespace          = local.namespace
  job_id             = var.job_id
  log_group_name     = local.log_group_name
  log_retention_days = var.log_retention_days
  kms_key_arn        = module.encryption.key_arn
  alarm_email        = var.alarm_email
}

module "dashboard" {
  source = "../dashboard"

  name       = local.name
  namespace  = local.namespace
  job_id     = var.job_id
  aws_region = var.aws_region
}

module "iam" {
  source = "../iam"

  name                 = local.name
  runs_on              = var.runs_on
  aws_region           = var.aws_region
  job_id               = var.job_id
  s3_bucket            = var.s3_bucket
  s3_key               = var.s3_key
  s3_kms_key_arn       = var.s3_kms_key_arn
  msk_cluster_arn      = var.msk_cluster_arn
  kafka_topic          = var.kafka_topic
  dead_letter_topic    = local.dlq
  dead_letters         = local.dead_letters
  mode                 = var.mode
  fence                = var.fence
  partitions           = 1
  checkpoint_table_arn = module.checkpoint_table.arn
  namespace            = local.namespace
  repository_arn       = module.image_repository.arn
  log_group_arn        = module.monitoring.log_group_arn
}
