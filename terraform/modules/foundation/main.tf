# What a job needs wherever it runs: key, network, permissions, checkpoints, image, logs, alarms, dashboard and settings.
locals {
  name           = "csvpipe-${var.job.job_id}"
  namespace      = "csvpipe"
  log_group_name = "/csvpipe/${var.job.job_id}"
  dead_letters   = var.job.on_bad_row == "dead-letter"
  dlq            = "${var.job.kafka_topic}-dlq"
  kafka_ports    = distinct([for broker in split(",", var.job.kafka_bootstrap_servers) : tonumber(split(":", trimspace(broker))[1])])

  # The objects to read, in order; SOURCE replaces s3_bucket and s3_key.
  has_source = contains(keys(var.job.extra_environment), "SOURCE")
  uris       = split(" ", local.has_source ? var.job.extra_environment["SOURCE"] : "s3://${var.job.s3_bucket}/${var.job.s3_key}")
  sources    = [for uri in local.uris : regex("^s3://(?P<bucket>[^/]+)/(?P<key>.*)$", uri)]
  schema     = try(regex("^s3://(?P<bucket>[^/]+)/(?P<key>.+)$", var.job.extra_environment["SCHEMA_FILE"]), null)
  partitions = tonumber(lookup(var.job.extra_environment, "PARTITIONS", "1"))

  # Every name is a setting of sequencer/settings.py; a test compares them.
  environment = merge(var.job.extra_environment, local.has_source ? {} : { S3_BUCKET = var.job.s3_bucket, S3_KEY = var.job.s3_key }, {
    AWS_REGION              = var.aws_region
    KAFKA_BOOTSTRAP_SERVERS = var.job.kafka_bootstrap_servers
    KAFKA_TOPIC             = var.job.kafka_topic
    KAFKA_PARTITION         = tostring(var.job.kafka_partition)
    KAFKA_SECURITY          = var.job.kafka_security
    JOB_ID                  = var.job.job_id
    MODE                    = var.job.mode
    FENCE                   = tostring(var.job.fence)
    REQUIRE_DURABLE_TOPIC   = tostring(var.job.require_durable_topic)
    COMPRESSION             = var.job.compression
    ON_BAD_ROW              = var.job.on_bad_row
    DEAD_LETTER_TOPIC       = local.dlq
    CHECKPOINT_TABLE        = module.checkpoint_table.name
    CLOUDWATCH_NAMESPACE    = local.namespace
    COST_PER_HOUR           = tostring(var.job.cost_per_hour)
    LOG_FORMAT              = "json"
    STOP_WITHIN_S           = "90"
    STOPPED_EXIT_CODE       = "75"
  })
  # Not in the environment of the definition, which many people may read: fetched when the container starts.
  secrets = var.job.kafka_security != "scram" ? {} : {
    KAFKA_USERNAME = "${var.job.kafka_secret_arn}:username::"
    KAFKA_PASSWORD = "${var.job.kafka_secret_arn}:password::"
  }
}

module "encryption" {
  source = "../encryption"

  name           = local.name
  aws_region     = var.aws_region
  log_group_name = local.log_group_name
  has_events     = var.has_events
}

module "network" {
  source = "../network"

  name                    = local.name
  aws_region              = var.aws_region
  vpc_id                  = var.network.vpc_id
  subnet_ids              = var.network.subnet_ids
  kafka_ports             = local.kafka_ports
  kafka_security_group_id = var.network.kafka_security_group_id
  create_vpc_endpoints    = var.network.create_vpc_endpoints
  interface_endpoints     = concat(var.interface_endpoints, var.job.kafka_security == "scram" ? ["secretsmanager"] : [])
  route_table_ids         = var.network.route_table_ids
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
  namespace          = local.namespace
  job_id             = var.job.job_id
  log_group_name     = local.log_group_name
  log_retention_days = var.monitoring.log_retention_days
  kms_key_arn        = module.encryption.key_arn
  alarm_email        = var.monitoring.alarm_email
  has_events         = var.has_events
  monthly_budget_usd = var.monitoring.monthly_budget_usd
}

module "dashboard" {
  source = "../dashboard"

  name       = local.name
  namespace  = local.namespace
  job_id     = var.job.job_id
  aws_region = var.aws_region
}

module "iam" {
  source = "../iam"

  name                     = local.name
  runs_on                  = var.runs_on
  aws_region               = var.aws_region
  job_id                   = var.job.job_id
  sources                  = local.sources
  schema                   = local.schema
  s3_kms_key_arn           = var.job.s3_kms_key_arn
  kafka_security           = var.job.kafka_security
  kafka_secret_arn         = var.job.kafka_secret_arn
  kafka_secret_kms_key_arn = var.job.kafka_secret_kms_key_arn
  msk_cluster_arn          = var.job.msk_cluster_arn
  kafka_topic              = var.job.kafka_topic
  dead_letter_topic        = local.dlq
  dead_letters             = local.dead_letters
  mode                     = var.job.mode
  fence                    = var.job.fence
  partitions               = local.partitions
  checkpoint_table_arn     = module.checkpoint_table.arn
  namespace                = local.namespace
  repository_arn           = module.image_repository.arn
  log_group_arn            = module.monitoring.log_group_arn
}
