# The variables that the three options share: one form, checked here. The options pass them on as they are given.

variable "aws_region" {
  description = "Region of the bucket, the MSK cluster and the job."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.aws_region))
    error_message = "aws_region must be the name of a region, such as us-east-1."
  }
}

variable "job" {
  description = <<-TEXT
    The job: what it reads, where it writes, and how.

    * `job_id`: name of the job. A job with the same name resumes where the last one stopped. Part of the name of every resource.
    * `s3_bucket`, `s3_key`: the source. A key that ends in a slash is a prefix: all objects below it, in the order of their keys.
    * `s3_kms_key_arn`: KMS key that encrypts the source, if it is your own.
    * `kafka_bootstrap_servers`: brokers as host:port, separated by commas, with the port of `kafka_security` (9098 for iam).
    * `kafka_security`: how the job authenticates: iam, tls (without a client certificate), scram (SASL/SCRAM-SHA-512) or plaintext.
    * `kafka_secret_arn`: secret in Secrets Manager with the keys username and password, for scram. Its name begins with AmazonMSK_.
    * `kafka_secret_kms_key_arn`: KMS key that encrypts that secret; MSK requires one of your own.
    * `kafka_topic`, `kafka_partition`: where the records go. The topic must exist. Invalid rows go to the topic with the suffix -dlq.
    * `msk_cluster_arn`: the MSK cluster; the permissions on the topic are derived from it.
    * `mode`: exclusive if no other producer writes to the partition, or transactional if it is shared.
    * `fence`: in exclusive mode, whether the job sets message.timestamp.before.max.ms of the topic, so that Kafka refuses requests of an earlier process that arrive late. Needs Kafka 3.6 or newer; on an older one the job logs a warning.
    * `require_durable_topic`: whether to refuse a topic that may lose acknowledged records with one broker (replication factor or min.insync.replicas below 2).
    * `compression`: gzip, lz4, zstd, snappy or none. zstd compresses as well as gzip and is four times as fast.
    * `on_bad_row`: stop at an invalid row, or dead-letter it and continue.
    * `extra_environment`: further settings of the sequencer, by their names in .env.example, such as { DELIMITER = ";", LIMIT = "1000000" }. SOURCE replaces s3_bucket and s3_key: URIs of S3, separated by single spaces.
    * `cost_per_hour`: price of the machine in USD per hour, for the estimated cost in the metrics.
  TEXT
  type = object({
    job_id                   = string
    s3_bucket                = string
    s3_key                   = string
    s3_kms_key_arn           = optional(string, "")
    kafka_bootstrap_servers  = string
    kafka_security           = optional(string, "iam")
    kafka_secret_arn         = optional(string, "")
    kafka_secret_kms_key_arn = optional(string, "")
    kafka_topic              = string
    kafka_partition          = optional(number, 0)
    msk_cluster_arn          = string
    mode                     = optional(string, "exclusive")
    fence                    = optional(bool, true)
    require_durable_topic    = optional(bool, true)
    compression              = optional(string, "zstd")
    on_bad_row               = optional(string, "stop")
    extra_environment        = optional(map(string), {})
    cost_per_hour            = optional(number, 0)
  })

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,39}$", var.job.job_id))
    error_message = "job.job_id must be 1 to 40 lower-case letters, digits and hyphens, and must not begin with a hyphen."
  }

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.job.s3_bucket))
    error_message = "job.s3_bucket must be the name of a bucket, without s3://."
  }

  validation {
    condition     = length(var.job.s3_key) > 0 && length(var.job.s3_key) <= 1024 && !can(regex("^/|[*?$ ]", var.job.s3_key))
    error_message = "job.s3_key must be a key, or a prefix that ends in a slash, without a leading slash, spaces, *, ? and $."
  }

  validation {
    condition     = var.job.s3_kms_key_arn == "" || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.job.s3_kms_key_arn))
    error_message = "job.s3_kms_key_arn must be the ARN of a KMS key, or empty."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9.-]+:[0-9]{1,5}(,[A-Za-z0-9.-]+:[0-9]{1,5})*$", var.job.kafka_bootstrap_servers))
    error_message = "job.kafka_bootstrap_servers must be host:port, separated by commas without spaces."
  }

  validation {
    condition     = contains(["iam", "tls", "scram", "plaintext"], var.job.kafka_security)
    error_message = "job.kafka_security must be iam, tls, scram or plaintext."
  }

  validation {
    condition = alltrue([
      for broker in split(",", var.job.kafka_bootstrap_servers) : contains(
        lookup({ iam = ["9098", "9198"], tls = ["9094", "9194"], scram = ["9096", "9196"], plaintext = ["9092"] }, var.job.kafka_security, []),
        try(split(":", broker)[1], ""),
      )
    ])
    error_message = "job.kafka_security must fit the ports in job.kafka_bootstrap_servers: 9098 (public 9198) for iam, 9094 (9194) for tls, 9096 (9196) for scram, 9092 for plaintext."
  }

  validation {
    condition     = var.job.kafka_secret_arn == "" || can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+-[A-Za-z0-9]{6}$", var.job.kafka_secret_arn))
    error_message = "job.kafka_secret_arn must be the complete ARN of a secret, including the six characters at its end, or empty."
  }

  validation {
    condition     = (var.job.kafka_secret_arn != "") == (var.job.kafka_security == "scram")
    error_message = "job.kafka_secret_arn must be given if job.kafka_security is scram, and only then."
  }

  validation {
    condition     = var.job.kafka_secret_kms_key_arn == "" || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.job.kafka_secret_kms_key_arn))
    error_message = "job.kafka_secret_kms_key_arn must be the ARN of a KMS key, or empty."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,245}$", var.job.kafka_topic))
    error_message = "job.kafka_topic must be 1 to 245 letters, digits, dots, underscores and hyphens."
  }

  validation {
    condition     = var.job.kafka_partition >= 0 && floor(var.job.kafka_partition) == var.job.kafka_partition
    error_message = "job.kafka_partition must be a whole number, 0 or greater."
  }

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kafka:[a-z0-9-]+:[0-9]{12}:cluster/[^/]+/[^/]+$", var.job.msk_cluster_arn))
    error_message = "job.msk_cluster_arn must be arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID."
  }

  validation {
    condition     = contains(["exclusive", "transactional"], var.job.mode)
    error_message = "job.mode must be exclusive or transactional."
  }

  validation {
    condition     = contains(["gzip", "lz4", "zstd", "snappy", "none"], var.job.compression)
    error_message = "job.compression must be gzip, lz4, zstd, snappy or none."
  }

  validation {
    condition     = contains(["stop", "dead-letter"], var.job.on_bad_row)
    error_message = "job.on_bad_row must be stop or dead-letter."
  }

  # Settings that have an attribute of their own are not listed, nor CREATE_TOPIC and CHECKPOINT_FILE, which have no use here.
  validation {
    condition = alltrue([
      for name in keys(var.job.extra_environment) : contains([
        "SOURCE", "S3_ENDPOINT", "S3_REQUEST_PAYER", "S3_CA_FILE", "PARTITIONS", "KAFKA_CA_FILE", "LIBRDKAFKA", "KAFKA_OPTIONS", "COMPRESSION_LEVEL",
        "APPEND", "DYNAMODB_ENDPOINT", "CHECKPOINT_INTERVAL", "TRANSACTION_RECORDS", "CHECKPOINT_INTERVAL_S",
        "LEASE_S", "DELIVERY_TIMEOUT_S", "MAX_RECORD_BYTES", "RETRIES", "RETRY_FOR_S", "LEASE_WAIT_S", "DELIMITER", "ENCODING", "SCHEMA_FILE", "LIMIT", "DRY_RUN",
        "CLOUDWATCH_ENDPOINT", "METRICS_PORT", "LOG_LEVEL",
      ], name)
    ])
    error_message = "job.extra_environment must have names of settings that no other attribute sets (.env.example). Passwords belong in kafka_secret_arn, and the topic must exist."
  }

  validation {
    condition     = alltrue([for value in values(var.job.extra_environment) : !can(regex("[\r\n]", value))])
    error_message = "job.extra_environment must have values without line breaks."
  }

  validation {
    condition     = can(regex("^s3://[a-z0-9][a-z0-9.-]+/[^*?$ ]*( s3://[a-z0-9][a-z0-9.-]+/[^*?$ ]*)*$", lookup(var.job.extra_environment, "SOURCE", "s3://any/")))
    error_message = "job.extra_environment must have S3 URIs in SOURCE (s3://BUCKET/KEY, or a prefix that ends in a slash), separated by single spaces, without *, ? and $."
  }

  validation {
    condition     = can(regex("^s3://[a-z0-9][a-z0-9.-]+/[^*?$ ]+$", lookup(var.job.extra_environment, "SCHEMA_FILE", "s3://any/schema")))
    error_message = "job.extra_environment must have an S3 URI in SCHEMA_FILE (s3://BUCKET/KEY): a path would be one inside the container."
  }

  validation {
    condition     = can(regex("^([1-9][0-9]{0,2}|1000)$", lookup(var.job.extra_environment, "PARTITIONS", "1")))
    error_message = "job.extra_environment must have a whole number from 1 to 1000 in PARTITIONS."
  }

  validation {
    condition     = var.job.cost_per_hour >= 0
    error_message = "job.cost_per_hour must not be negative."
  }
}

variable "network" {
  description = <<-TEXT
    Where the job runs, and how it reaches Kafka and AWS.

    * `vpc_id`: VPC of the MSK cluster and of the job.
    * `subnet_ids`: private subnets of that VPC in which the job may run.
    * `kafka_security_group_id`: security group of the brokers. It gets a rule that lets the job in. Without it, you add that rule.
    * `create_vpc_endpoints`: whether to create the VPC endpoints that the job needs. Without them the subnets need a NAT, and HTTPS may go anywhere.
    * `route_table_ids`: route tables of the subnets that get gateway endpoints for S3 and DynamoDB. Leave it empty if they have them.
  TEXT
  type = object({
    vpc_id                  = string
    subnet_ids              = list(string)
    kafka_security_group_id = optional(string, "")
    create_vpc_endpoints    = optional(bool, true)
    route_table_ids         = optional(list(string), [])
  })

  validation {
    condition     = can(regex("^vpc-[0-9a-f]{8,17}$", var.network.vpc_id))
    error_message = "network.vpc_id must be vpc- and 8 to 17 hexadecimal digits."
  }

  validation {
    condition     = length(var.network.subnet_ids) > 0 && alltrue([for id in var.network.subnet_ids : can(regex("^subnet-[0-9a-f]{8,17}$", id))])
    error_message = "network.subnet_ids must be one or more of subnet- and 8 to 17 hexadecimal digits."
  }

  validation {
    condition     = var.network.kafka_security_group_id == "" || can(regex("^sg-[0-9a-f]{8,17}$", var.network.kafka_security_group_id))
    error_message = "network.kafka_security_group_id must be sg- and 8 to 17 hexadecimal digits, or empty."
  }

  validation {
    condition     = alltrue([for id in var.network.route_table_ids : can(regex("^rtb-[0-9a-f]{8,17}$", id))])
    error_message = "network.route_table_ids must be rtb- and 8 to 17 hexadecimal digits each."
  }
}

variable "monitoring" {
  description = <<-TEXT
    Logs, alarms and the budget of the job.

    * `alarm_email`: address that receives the alarms. Empty means that nobody is notified.
    * `log_retention_days`: days that logs are kept.
    * `monthly_budget_usd`: monthly cost of the job's resources in USD; alarm_email is notified at 80 %. 0 means no budget. The tag JobId must be an active cost allocation tag.
  TEXT
  type = object({
    alarm_email        = optional(string, "")
    log_retention_days = optional(number, 365)
    monthly_budget_usd = optional(number, 0)
  })
  default = {}

  validation {
    condition     = var.monitoring.alarm_email == "" || can(regex("^[^@ ]+@[^@ ]+$", var.monitoring.alarm_email))
    error_message = "monitoring.alarm_email must be an email address, or empty."
  }

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653], var.monitoring.log_retention_days)
    error_message = "monitoring.log_retention_days must be a number of days that CloudWatch supports, such as 30 or 365."
  }

  validation {
    condition     = var.monitoring.monthly_budget_usd >= 0
    error_message = "monitoring.monthly_budget_usd must not be negative."
  }

  validation {
    condition     = var.monitoring.monthly_budget_usd == 0 || var.monitoring.alarm_email != ""
    error_message = "monitoring.monthly_budget_usd must come with monitoring.alarm_email, which is notified."
  }
}

# Terraform drops attributes that an object does not have, without a word: a misspelt one would be its default.
variable "given" {
  description = "Names of the attributes that are set in job, network and monitoring."
  type        = object({ job = list(string), network = list(string), monitoring = list(string) })

  validation {
    condition     = length(setsubtract(var.given.job, keys(var.job))) == 0
    error_message = "job must not have unknown attributes: ${join(", ", setsubtract(var.given.job, keys(var.job)))}."
  }

  validation {
    condition     = length(setsubtract(var.given.network, keys(var.network))) == 0
    error_message = "network must not have unknown attributes: ${join(", ", setsubtract(var.given.network, keys(var.network)))}."
  }

  validation {
    condition     = length(setsubtract(var.given.monitoring, keys(var.monitoring))) == 0
    error_message = "monitoring must not have unknown attributes: ${join(", ", setsubtract(var.given.monitoring, keys(var.monitoring)))}."
  }
}

variable "runs_on" {
  description = "container or instance; see the module iam."
  type        = string
}

variable "interface_endpoints" {
  description = "Services that the job calls through interface endpoints."
  type        = list(string)
}

variable "has_events" {
  description = "Whether EventBridge publishes to the topic of the alarms."
  type        = bool
  default     = false
}
