# The permissions of the job; docs/how-to/aws.md names the code that needs each. No consumer group, no other topic, no other key.
data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  # arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID -> .../topic/NAME/UUID/TOPIC and .../transactional-id/NAME/UUID/ID
  topic_prefix      = replace(var.msk_cluster_arn, ":cluster/", ":topic/")
  topic_arn         = "${local.topic_prefix}/${var.kafka_topic}"
  dead_letter_arn   = "${local.topic_prefix}/${var.dead_letter_topic}"
  topic_arns        = var.dead_letters ? [local.topic_arn, local.dead_letter_arn] : [local.topic_arn]
  transactional_arn = "${replace(var.msk_cluster_arn, ":cluster/", ":transactional-id/")}/${var.job_id}${local.ranged ? ".p*" : ""}"
  ranged            = var.partitions > 1
  s3_arn            = "arn:${data.aws_partition.current.partition}:s3:::"
  prefixes          = [for each in var.sources : each if each.key == "" || endswith(each.key, "/")]
  by_iam            = var.kafka_security == "iam"
  # Topics that the job may fence: the topic in exclusive mode, the dead-letter topic in either.
  fenced_arns = var.fence ? concat(
    var.mode == "exclusive" ? [local.topic_arn] : [],
    var.dead_letters ? [local.dead_letter_arn] : [],
  ) : []
}

data "aws_iam_policy_document" "job" {
  statement {
    sid     = "ReadTheSource"
    actions = ["s3:GetObject"]
    resources = [
      for each in var.sources :
      "${local.s3_arn}${each.bucket}/${each.key}${contains(local.prefixes, each) ? "*" : ""}"
    ]
  }

  dynamic "statement" {
    for_each = local.prefixes
    content {
      sid       = "ListThePrefix${statement.key == 0 ? "" : statement.key + 1}"
      actions   = ["s3:ListBucket"]
      resources = ["${local.s3_arn}${statement.value.bucket}"]
      condition {
        test     = "StringEquals"
        variable = "s3:prefix"
        values   = [statement.value.key]
      }
    }
  }

  dynamic "statement" {
    for_each = var.schema == null ? [] : [var.schema]
    content {
      sid       = "ReadTheSchema"
      actions   = ["s3:GetObject"]
      resources = ["${local.s3_arn}${statement.value.bucket}/${statement.value.key}"]
    }
  }

  dynamic "statement" {
    for_each = var.s3_kms_key_arn == "" ? [] : [1]
    content {
      sid       = "DecryptTheSource"
      actions   = ["kms:Decrypt"]
      resources = [var.s3_kms_key_arn]
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["s3.${var.aws_region}.amazonaws.com"]
      }
    }
  }

  # With password authentication, or none, IAM does not control access to Kafka.
  dynamic "statement" {
    for_each = local.by_iam ? [1] : []
    content {
      sid = "ConnectToKafka"
      actions = [
        "kafka-cluster:Connect",
        "kafka-cluster:DescribeClusterDynamicConfiguration", # the allowed replica lag
        "kafka-cluster:WriteDataIdempotently",
      ]
      resources = [var.msk_cluster_arn]
    }
  }

  # Read access: at its start the job reads the end of the log and the configuration of the topic.
  dynamic "statement" {
    for_each = local.by_iam ? [1] : []
    content {
      sid = "WriteTheTopic"
      actions = [
        "kafka-cluster:DescribeTopic",
        "kafka-cluster:DescribeTopicDynamicConfiguration",
        "kafka-cluster:ReadData",
        "kafka-cluster:WriteData",
      ]
      resources = local.topic_arns
    }
  }

  dynamic "statement" {
    for_each = local.by_iam && var.mode == "transactional" ? [1] : []
    content {
      sid       = "WriteInTransactions"
      actions   = ["kafka-cluster:DescribeTransactionalId", "kafka-cluster:AlterTransactionalId"]
      resources = [local.transactional_arn]
    }
  }

  dynamic "statement" {
    for_each = local.by_iam && length(local.fenced_arns) > 0 ? [1] : []
    content {
      sid       = "FenceTheTopic"
      actions   = ["kafka-cluster:AlterTopicDynamicConfiguration"]
      resources = local.fenced_arns
    }
  }

  statement {
    sid       = "KeepCheckpoints"
    actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    resources = [var.checkpoint_table_arn]
    condition {
      test     = "ForAllValues:StringLike"
      variable = "dynamodb:LeadingKeys"
      values   = [local.ranged ? "${var.job_id}.p*" : var.job_id]
    }
  }

  # A job without a checkpoint checks whether it was started in the other form, with or without ranges (sequencer/job/runner.py).
  statement {
    sid       = "LookForTheOtherForm"
    actions   = ["dynamodb:GetItem"]
    resources = [var.checkpoint_table_arn]
    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [local.ranged ? var.job_id : "${var.job_id}.p0"]
    }
  }

  statement {
    sid       = "PutMetrics"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"] # the action supports no resource-level permissions
    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = [var.namespace]
    }
  }
}

# Permissions to start the container: pull the image, write the log, and read Kafka's user and password if they are needed.
data "aws_iam_policy_document" "runtime" {
  statement {
    sid       = "LogInToTheRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # the action supports no resource-level permissions
  }

  statement {
    sid       = "PullTheImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [var.repository_arn]
  }

  statement {
    sid       = "WriteTheLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${var.log_group_arn}:log-stream:*"]
  }

  dynamic "statement" {
    for_each = var.kafka_secret_arn == "" ? [] : [1]
    content {
      sid       = "ReadTheSecret"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [var.kafka_secret_arn]
    }
  }

  dynamic "statement" {
    for_each = var.kafka_secret_kms_key_arn == "" ? [] : [1]
    content {
      sid       = "DecryptTheSecret"
      actions   = ["kms:Decrypt"]
      resources = [var.kafka_secret_kms_key_arn]
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["secretsmanager.${var.aws_region}.amazonaws.com"]
      }
    }
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = [local.on_instance ? "ec2.amazonaws.com" : "ecs-tasks.amazonaws.com"]
    }
    # EC2 passes no source with its call.
    dynamic "condition" {
      for_each = local.on_instance ? [] : [1]
      content {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [data.aws_caller_identity.current.account_id]
      }
    }
  }
}

locals {
  on_instance = var.runs_on == "instance"
}

resource "aws_iam_role" "job" {
  name               = "${var.name}-job"
  description        = "Permissions of the sequencer job ${var.job_id}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "job" {
  name   = "job"
  role   = aws_iam_role.job.id
  policy = data.aws_iam_policy_document.job.json
}

# A container has a separate role for its start; an instance has one role for both.
resource "aws_iam_role" "execution" {
  count = local.on_instance ? 0 : 1

  name               = "${var.name}-execution"
  description        = "Pulls the image of ${var.job_id} and writes its log"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "runtime" {
  name   = "runtime"
  role   = local.on_instance ? aws_iam_role.job.id : aws_iam_role.execution[0].id
  policy = data.aws_iam_policy_document.runtime.json
}
