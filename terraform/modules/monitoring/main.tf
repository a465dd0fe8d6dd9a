# Logs, and alarms on what the job tells CloudWatch of itself (sequencer/metrics.py). While no job runs there are no
# values, and no alarm.
resource "aws_cloudwatch_log_group" "this" {
  name              = var.log_group_name
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.kms_key_arn
}

data "aws_caller_identity" "current" {}

# Alarms of this account, and EventBridge where an option has a rule. EventBridge gives SNS no source: a condition on that
# statement refuses every event ("Amazon SNS permissions" in its user guide).
data "aws_iam_policy_document" "alarms" {
  statement {
    sid       = "Alarms"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }

  dynamic "statement" {
    for_each = var.has_events ? [1] : []
    content {
      sid       = "Events"
      actions   = ["sns:Publish"]
      resources = [aws_sns_topic.alarms.arn]
      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms.json
}

resource "aws_sns_topic_subscription" "email" {
  count = var.alarm_email == "" ? 0 : 1

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

locals {
  alarms = {
    checkpoint-is-old = {
      metric      = "CheckpointAgeSeconds"
      threshold   = var.checkpoint_age_alarm_s
      description = "The job runs and gets nothing acknowledged, or DynamoDB does not take its checkpoints"
    }
    attempts-fail = {
      metric      = "Errors"
      threshold   = 1
      description = "Attempts of the job fail; it tries again by itself, and stops in the end"
    }
    rows-are-bad = {
      metric      = "DeadLetters"
      threshold   = 1
      description = "Rows went to the dead-letter topic"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "job" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = var.namespace
  metric_name         = each.value.metric
  dimensions          = { JobId = var.job_id }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}
