# Logs, and alarms on what the job tells CloudWatch of itself (sequencer/metrics/job_metrics.py). While no job runs there are no
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
  # Errors and DeadLetters are what was added since the last value: their sum is what happened in the period, and the
  # alarm ends when nothing more happens. A job that gets on by itself after one failed attempt is no alarm.
  alarms = {
    checkpoint-is-old = {
      metric      = "CheckpointAgeSeconds"
      statistic   = "Maximum"
      period      = 60
      of          = 5
      at_least    = 3
      threshold   = var.checkpoint_age_alarm_s
      description = "The job runs and gets nothing acknowledged, or DynamoDB does not take its checkpoints"
    }
    attempts-fail = {
      metric      = "Errors"
      statistic   = "Sum"
      period      = 300
      of          = 1
      at_least    = 1
      threshold   = 2
      description = "Several attempts of the job have failed within five minutes; it tries again by itself, and stops in the end"
    }
    rows-are-bad = {
      metric      = "DeadLetters"
      statistic   = "Sum"
      period      = 300
      of          = 1
      at_least    = 1
      threshold   = 1
      description = "Rows have gone to the dead-letter topic within the last five minutes"
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
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = each.value.of
  datapoints_to_alarm = each.value.at_least
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

# What the job costs in all, by its tag: CostUsd is an estimate of the machine alone.
resource "aws_budgets_budget" "job" {
  count = var.monthly_budget_usd > 0 ? 1 : 0

  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = [join("$", ["user:JobId", var.job_id])]
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }
    content {
      notification_type          = notification.key
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = [var.alarm_email]
    }
  }
}
