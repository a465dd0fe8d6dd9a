# The rights of the job, each with the code that needs it in docs/how-to/aws.md. No group, no other topic, no other key.
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
  # What the job may fence: the topic in exclusive mode, that of the dead letters in either.
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

  # Where Kafka asks for a password or for nothing, IAM has no say in it.
  dynamic "statement" {
    for_each = local.by_iam ? [1] : []
    content {
      sid = "ConnectToKafka"
      actions = [
        "kafka-cluster:Connect",
        "kafka-cluster:DescribeClusterDynamicConfiguration", # how long a replica may lag
        "kafka-cluster:WriteDataIdempotently",
      ]
      resources = [var.msk_cluster_arn]
    }
  }

  # Reading: a start looks at the end of the log and at the options of the topic.
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

  # A job without a checkpoint looks whether it began in the other form, with or without ranges (sequencer/job/runner.py).
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
    resources = ["*"] # the action knows no resources
    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = [var.namespace]
    }
  }
}

# What starts a container needs: its image, where its log goes, and Kafka's user and password where it takes them.
data "aws_iam_policy_document" "runtime" {
  statement {
    sid       = "LogInToTheRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # the action knows no resources
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
    # EC2 gives no source with its call.
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
  description        = "What the sequencer of ${var.job_id} may do"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "job" {
  name   = "job"
  role   = aws_iam_role.job.id
  policy = data.aws_iam_policy_document.job.json
}

# A container has a role for its start apart from its own; an instance has one for both.
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
