variable "aws_region" {
  description = "Region of bucket, MSK cluster and job."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.aws_region))
    error_message = "aws_region must be the name of a region, such as us-east-1."
  }
}

variable "s3_bucket" {
  description = "Bucket of the source."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.s3_bucket))
    error_message = "s3_bucket must be the name of a bucket, without s3://."
  }
}

variable "s3_key" {
  description = "Key of the source; a prefix that ends in a slash is all objects below it, in the order of their keys."
  type        = string

  validation {
    condition     = length(var.s3_key) > 0 && length(var.s3_key) <= 1024 && !can(regex("^/|[*?$ ]", var.s3_key))
    error_message = "s3_key must be a key, or a prefix that ends in a slash: without a leading slash, blanks, *, ? and $."
  }
}

variable "kafka_bootstrap_servers" {
  description = "Brokers, host:port, separated by commas; the port is that of kafka_security (9098 for iam)."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9.-]+:[0-9]{1,5}(,[A-Za-z0-9.-]+:[0-9]{1,5})*$", var.kafka_bootstrap_servers))
    error_message = "kafka_bootstrap_servers must be host:port, separated by commas without blanks."
  }
}

variable "kafka_security" {
  description = "How the brokers let the job in: iam, tls (without a certificate of the client), scram (SASL/SCRAM-SHA-512) or plaintext. Each has a port of its own on MSK."
  type        = string
  default     = "iam"

  validation {
    condition     = contains(["iam", "tls", "scram", "plaintext"], var.kafka_security)
    error_message = "kafka_security must be iam, tls, scram or plaintext."
  }

  validation {
    condition = alltrue([
      for broker in split(",", var.kafka_bootstrap_servers) : contains(
        lookup({ iam = ["9098", "9198"], tls = ["9094", "9194"], scram = ["9096", "9196"], plaintext = ["9092"] }, var.kafka_security, []),
        try(split(":", broker)[1], ""),
      )
    ])
    error_message = "kafka_security must fit the ports in kafka_bootstrap_servers: 9098 (public 9198) for iam, 9094 (9194) for tls, 9096 (9196) for scram, 9092 for plaintext."
  }
}

variable "kafka_secret_arn" {
  description = "Secret of Secrets Manager with the keys username and password, for scram; its name begins with AmazonMSK_. Empty: none."
  type        = string
  default     = ""

  validation {
    condition     = var.kafka_secret_arn == "" || can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+-[A-Za-z0-9]{6}$", var.kafka_secret_arn))
    error_message = "kafka_secret_arn must be the whole ARN of a secret, with the six characters at its end, or empty."
  }

  validation {
    condition     = (var.kafka_secret_arn != "") == (var.kafka_security == "scram")
    error_message = "kafka_secret_arn must be given where kafka_security is scram, and only there."
  }
}

variable "kafka_secret_kms_key_arn" {
  description = "Key of your own that encrypts that secret, as MSK demands; empty: none."
  type        = string
  default     = ""

  validation {
    condition     = var.kafka_secret_kms_key_arn == "" || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kafka_secret_kms_key_arn))
    error_message = "kafka_secret_kms_key_arn must be the ARN of a key of KMS, or empty."
  }
}

variable "kafka_topic" {
  description = "Topic of the records; it has to exist. Bad rows go to the topic with -dlq behind it."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,245}$", var.kafka_topic))
    error_message = "kafka_topic must be 1 to 245 letters, digits, dots, underscores and hyphens."
  }
}

variable "kafka_partition" {
  description = "Partition that the records go to."
  type        = number
  default     = 0

  validation {
    condition     = var.kafka_partition >= 0 && floor(var.kafka_partition) == var.kafka_partition
    error_message = "kafka_partition must be a whole number from 0 on."
  }
}

variable "msk_cluster_arn" {
  description = "ARN of the MSK cluster; the rights on its topic are made from it."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kafka:[a-z0-9-]+:[0-9]{12}:cluster/[^/]+/[^/]+$", var.msk_cluster_arn))
    error_message = "msk_cluster_arn must be arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID."
  }
}

variable "vpc_id" {
  description = "VPC of the MSK cluster and of the job."
  type        = string

  validation {
    condition     = can(regex("^vpc-[0-9a-f]{8,17}$", var.vpc_id))
    error_message = "vpc_id must be vpc- and 8 to 17 hexadecimal digits."
  }
}

variable "subnet_ids" {
  description = "Private subnets of the VPC in which the job may run."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0 && alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]{8,17}$", id))])
    error_message = "subnet_ids must be one or more of subnet- and 8 to 17 hexadecimal digits."
  }
}

variable "job_id" {
  description = "Name of the job; the same name goes on where it stopped. It stands in the name of every resource."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,39}$", var.job_id))
    error_message = "job_id must be 1 to 40 lower-case letters, digits and hyphens, and not begin with a hyphen."
  }
}

variable "mode" {
  description = "exclusive: the partition is the job's own; transactional: it is shared."
  type        = string
  default     = "exclusive"

  validation {
    condition     = contains(["exclusive", "transactional"], var.mode)
    error_message = "mode must be exclusive or transactional."
  }
}

variable "fence" {
  description = "Exclusive mode: let the job set the topic's message.timestamp.before.max.ms, so that Kafka refuses requests of an earlier process that arrive late. Needs Kafka 3.6 (MSK 3.6) or newer; an older one has no such option, and the job warns."
  type        = bool
  default     = true
}

variable "require_durable_topic" {
  description = "Refuse a topic that may lose acknowledged records with one broker (replication factor or min.insync.replicas below 2)."
  type        = bool
  default     = true
}

variable "extra_environment" {
  description = "More settings of the sequencer, by their names in .env.example: { DELIMITER = \";\", LIMIT = \"1000000\" }. SOURCE takes the place of s3_bucket and s3_key: URIs of S3, separated by single blanks."
  type        = map(string)
  default     = {}

  # What this module sets itself has a variable of its own; CREATE_TOPIC and CHECKPOINT_FILE have no use here.
  validation {
    condition = alltrue([
      for name in keys(var.extra_environment) : contains([
        "SOURCE", "S3_ENDPOINT", "S3_REQUEST_PAYER", "PARTITIONS", "KAFKA_CA_FILE", "LIBRDKAFKA", "KAFKA_OPTIONS", "COMPRESSION_LEVEL",
        "APPEND", "DYNAMODB_ENDPOINT", "CHECKPOINT_INTERVAL", "TRANSACTION_RECORDS", "CHECKPOINT_INTERVAL_S",
        "LEASE_S", "DELIVERY_TIMEOUT_S", "MAX_RECORD_BYTES", "RETRIES", "RETRY_FOR_S", "LEASE_WAIT_S", "DELIMITER", "ENCODING", "SCHEMA_FILE", "LIMIT", "DRY_RUN",
        "CLOUDWATCH_ENDPOINT", "METRICS_PORT", "LOG_LEVEL",
      ], name)
    ])
    error_message = "extra_environment must have names of settings that no other variable sets. A password belongs into kafka_secret_arn, the topic has to exist, and the rest is in .env.example."
  }

  validation {
    condition     = alltrue([for value in values(var.extra_environment) : !can(regex("[\r\n]", value))])
    error_message = "extra_environment must have values without line ends."
  }

  validation {
    condition     = can(regex("^s3://[a-z0-9][a-z0-9.-]+/[^*?$ ]*( s3://[a-z0-9][a-z0-9.-]+/[^*?$ ]*)*$", lookup(var.extra_environment, "SOURCE", "s3://any/")))
    error_message = "extra_environment must have in SOURCE URIs of S3 (s3://BUCKET/KEY, or a prefix that ends in a slash), separated by single blanks, without *, ? and $."
  }

  validation {
    condition     = can(regex("^s3://[a-z0-9][a-z0-9.-]+/[^*?$ ]+$", lookup(var.extra_environment, "SCHEMA_FILE", "s3://any/schema")))
    error_message = "extra_environment must have in SCHEMA_FILE a URI of S3 (s3://BUCKET/KEY): a path would be one inside of the container."
  }

  validation {
    condition     = can(regex("^([1-9][0-9]{0,2}|1000)$", lookup(var.extra_environment, "PARTITIONS", "1")))
    error_message = "extra_environment must have in PARTITIONS a whole number from 1 to 1000."
  }
}

variable "compression" {
  description = "gzip, lz4, zstd, snappy or none; zstd is as small as gzip and four times as fast."
  type        = string
  default     = "zstd"

  validation {
    condition     = contains(["gzip", "lz4", "zstd", "snappy", "none"], var.compression)
    error_message = "compression must be gzip, lz4, zstd, snappy or none."
  }
}

variable "on_bad_row" {
  description = "What a bad row leads to: stop, or dead-letter."
  type        = string
  default     = "stop"

  validation {
    condition     = contains(["stop", "dead-letter"], var.on_bad_row)
    error_message = "on_bad_row must be stop or dead-letter."
  }
}

variable "s3_kms_key_arn" {
  description = "Key of your own that encrypts the source; empty: none."
  type        = string
  default     = ""

  validation {
    condition     = var.s3_kms_key_arn == "" || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.s3_kms_key_arn))
    error_message = "s3_kms_key_arn must be the ARN of a key of KMS, or empty."
  }
}

variable "kafka_security_group_id" {
  description = "Security group of the brokers, which gets a rule that lets the job in; empty: their rules are yours."
  type        = string
  default     = ""

  validation {
    condition     = var.kafka_security_group_id == "" || can(regex("^sg-[0-9a-f]{8,17}$", var.kafka_security_group_id))
    error_message = "kafka_security_group_id must be sg- and 8 to 17 hexadecimal digits, or empty."
  }
}

variable "create_vpc_endpoints" {
  description = "Make the VPC endpoints that the job needs; false: the subnets have a NAT, and HTTPS may go anywhere."
  type        = bool
  default     = true
}

variable "route_table_ids" {
  description = "Route tables of the subnets, for gateway endpoints of S3 and DynamoDB; empty: they have them."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for id in var.route_table_ids : can(regex("^rtb-[0-9a-f]{8,17}$", id))])
    error_message = "route_table_ids must be rtb- and 8 to 17 hexadecimal digits each."
  }
}

variable "alarm_email" {
  description = "Who is told of alarms; empty: nobody."
  type        = string
  default     = ""

  validation {
    condition     = var.alarm_email == "" || can(regex("^[^@ ]+@[^@ ]+$", var.alarm_email))
    error_message = "alarm_email must be an address, or empty."
  }
}

variable "monthly_budget_usd" {
  description = "Cost of the job's resources a month, in USD, of which alarm_email is told from 80 % on; 0: no budget. The tag JobId has to be an active cost allocation tag."
  type        = number
  default     = 0

  validation {
    condition     = var.monthly_budget_usd >= 0
    error_message = "monthly_budget_usd must not be negative."
  }

  validation {
    condition     = var.monthly_budget_usd == 0 || var.alarm_email != ""
    error_message = "monthly_budget_usd must come with alarm_email: somebody has to be told."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a number of days that CloudWatch knows, such as 30 or 365."
  }
}

variable "cost_per_hour" {
  description = "What the machine costs in USD an hour, for the estimate in the metrics; look it up."
  type        = number
  default     = 0

  validation {
    condition     = var.cost_per_hour >= 0
    error_message = "cost_per_hour must not be negative."
  }
}

variable "image_tag" {
  description = "Tag of the image; deploy.sh gives that of the commit."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be the tag of an image, and not latest: tags are never changed."
  }
}

variable "instance_type" {
  description = "Type of the machine, x86_64; two cores are what a job can use."
  type        = string
  default     = "c7i.large"

  validation {
    condition     = can(regex("^[a-z]+[0-9]+[a-fh-z]*[.][0-9a-z]+$", var.instance_type))
    error_message = "instance_type must be a type with x86_64, such as c7i.large (a g behind the number is ARM)."
  }
}

variable "other_instance_types" {
  description = "Types that are taken where instance_type is not to be had, each with x86_64 and at least as much of everything. With one type alone a Spot job may wait for hours."
  type        = list(string)
  default     = ["c6i.large", "c7a.large", "m7i.large", "m6i.large"]

  validation {
    condition     = alltrue([for each in var.other_instance_types : can(regex("^[a-z]+[0-9]+[a-fh-z]*[.][0-9a-z]+$", each))])
    error_message = "other_instance_types must be types with x86_64, such as c7i.large (a g behind the number is ARM)."
  }
}

variable "max_runs" {
  description = "How often the container is started on one machine until a person has to look."
  type        = number
  default     = 20

  validation {
    condition     = var.max_runs >= 1 && var.max_runs <= 100
    error_message = "max_runs must be 1 to 100."
  }
}

variable "on_demand" {
  description = "Take an on-demand machine, at its full price: it is not taken away, and there nearly always is one."
  type        = bool
  default     = false
}

variable "container_command" {
  description = "What the machine runs, without blanks in its words: sequence, or verify-topic with its options (docs/how-to/aws.md)."
  type        = list(string)
  default     = ["sequence"]

  validation {
    condition     = length(var.container_command) > 0 && alltrue([for word in var.container_command : can(regex("^[A-Za-z0-9._:/@%+=,-]+$", word))])
    error_message = "container_command must be words of letters, digits and ._:/@%+=,-."
  }
}

variable "job_timeout_s" {
  description = "Seconds after which the job is stopped (with Batch: an attempt of it), and a person has to look; started again, it resumes."
  type        = number
  default     = 86400

  validation {
    condition     = var.job_timeout_s >= 60
    error_message = "job_timeout_s must be 60 or more."
  }
}
