# What a job has wherever it runs: key, network, rights, checkpoints, image, logs, alarms, dashboard, settings.
locals {
  name           = "csvpipe-${var.job_id}"
  namespace      = "csvpipe"
  log_group_name = "/csvpipe/${var.job_id}"
  dead_letters   = var.on_bad_row == "dead-letter"
  dlq            = "${var.kafka_topic}-dlq"
  kafka_ports    = distinct([for broker in split(",", var.kafka_bootstrap_servers) : tonumber(split(":", trimspace(broker))[1])])

  # What is read, in order; SOURCE replaces s3_bucket and s3_key.
  has_source = contains(keys(var.extra_environment), "SOURCE")
  uris       = split(" ", local.has_source ? var.extra_environment["SOURCE"] : "s3://${var.s3_bucket}/${var.s3_key}")
  sources    = [for uri in local.uris : regex("^s3://(?P<bucket>[^/]+)/(?P<key>.*)$", uri)]
  schema     = try(regex("^s3://(?P<bucket>[^/]+)/(?P<key>.+)$", var.extra_environment["SCHEMA_FILE"]), null)
  partitions = tonumber(lookup(var.extra_environment, "PARTITIONS", "1"))

  # Every name is a setting of sequencer/settings.py; a test holds them together.
  environment = merge(var.extra_environment, local.has_source ? {} : { S3_BUCKET = var.s3_bucket, S3_KEY = var.s3_key }, {
    AWS_REGION              = var.aws_region
    KAFKA_BOOTSTRAP_SERVERS = var.kafka_bootstrap_servers
    KAFKA_TOPIC             = var.kafka_topic
    KAFKA_PARTITION         = tostring(var.kafka_partition)
    KAFKA_SECURITY          = var.kafka_security
    JOB_ID                  = var.job_id
    MODE                    = var.mode
    FENCE                   = tostring(var.fence)
    REQUIRE_DURABLE_TOPIC   = tostring(var.require_durable_topic)
    COMPRESSION             = var.compression
    ON_BAD_ROW              = var.on_bad_row
    DEAD_LETTER_TOPIC       = local.dlq
    CHECKPOINT_TABLE        = module.checkpoint_table.name
    CLOUDWATCH_NAMESPACE    = local.namespace
    COST_PER_HOUR           = tostring(var.cost_per_hour)
    LOG_FORMAT              = "json"
    STOP_WITHIN_S           = "90"
    STOPPED_EXIT_CODE       = "75"
  })
  # Never in the environment of a definition, which many may read: fetched when the container starts.
  secrets = var.kafka_security != "scram" ? {} : {
    KAFKA_USERNAME = "${var.kafka_secret_arn}:username::"
    KAFKA_PASSWORD = "${var.kafka_secret_arn}:password::"
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
  vpc_id                  = var.vpc_id
  subnet_ids              = var.subnet_ids
  kafka_ports             = local.kafka_ports
  kafka_security_group_id = var.kafka_security_group_id
  create_vpc_endpoints    = var.create_vpc_endpoints
  interface_endpoints     = concat(var.interface_endpoints, var.kafka_security == "scram" ? ["secretsmanager"] : [])
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
  namespace          = local.namespace
  job_id             = var.job_id
  log_group_name     = local.log_group_name
  log_retention_days = var.log_retention_days
  kms_key_arn        = module.encryption.key_arn
  alarm_email        = var.alarm_email
  has_events         = var.has_events
  monthly_budget_usd = var.monthly_budget_usd
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

  name                     = local.name
  runs_on                  = var.runs_on
  aws_region               = var.aws_region
  job_id                   = var.job_id
  sources                  = local.sources
  schema                   = local.schema
  s3_kms_key_arn           = var.s3_kms_key_arn
  kafka_security           = var.kafka_security
  kafka_secret_arn         = var.kafka_secret_arn
  kafka_secret_kms_key_arn = var.kafka_secret_kms_key_arn
  msk_cluster_arn          = var.msk_cluster_arn
  kafka_topic              = var.kafka_topic
  dead_letter_topic        = local.dlq
  dead_letters             = local.dead_letters
  mode                     = var.mode
  fence                    = var.fence
  partitions               = local.partitions
  checkpoint_table_arn     = module.checkpoint_table.arn
  namespace                = local.namespace
  repository_arn           = module.image_repository.arn
  log_group_arn            = module.monitoring.log_group_arn
}
