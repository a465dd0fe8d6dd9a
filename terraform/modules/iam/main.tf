# The rights of the job, each with the code that needs it in docs/aws.md. No group, no other topic, no other key.
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
  is_prefix         = var.s3_key == "" || endswith(var.s3_key, "/")
  bucket_arn        = "arn:${data.aws_partition.current.partition}:s3:::${var.s3_bucket}"
}

data "aws_iam_policy_document" "job" {
  statement {
    sid       = "ReadTheSource"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/${var.s3_key}${local.is_prefix ? "*" : ""}"]
  }

  dynamic "statement" {
    for_each = local.is_prefix ? [1] : []
    content {
      sid       = "ListThePrefix"
      actions   = ["s3:ListBucket"]
      resources = [local.bucket_arn]
      condition {
        test     = "StringEquals"
        variable = "s3:prefix"
        values   = [var.s3_key]
      }
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

  statement {
    sid       = "ConnectToKafka"
    actions   = ["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"]
    resources = [var.msk_cluster_arn]
  }

  # Reading: a start looks at the end of the log.
  statement {
    sid       = "WriteTheTopic"
    actions   = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData", "kafka-cluster:WriteData"]
    resources = local.topic_arns
  }

  dynamic "statement" {
    for_each = var.mode == "transactional" ? [1] : []
    content {
      sid       = "WriteInTransactions"
      actions   = ["kafka-cluster:DescribeTransactionalId", "kafka-cluster:AlterTransactionalId"]
      resources = [local.transactional_arn]
    }
  }

  # An exclusive job looks whether the topic refuses old records, and with FENCE makes it so.
  dynamic "statement" {
    for_each = var.mode == "exclusive" ? [1] : []
    content {
      sid = "FenceTheTopic"
      actions = concat(
        ["kafka-cluster:DescribeTopicDynamicConfiguration"],
        var.fence ? ["kafka-cluster:AlterTopicDynamicConfiguration"] : [],
      )
      resources = [local.topic_arn]
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

  # A job without a checkpoint looks whether it began in the other form, with or without ranges (sequencer/start.py).
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

# What starts a container needs: its image, and where its log goes.
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
