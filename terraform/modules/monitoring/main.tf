# Logs, and alarms on the metrics that the job sends to CloudWatch (sequencer/metrics/job_metrics.py). While no job runs, there
# are no values and no alarms.
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

# Alarms of this account may publish, and EventBridge if the option has a rule. EventBridge passes no source to SNS: with a
# condition on that statement every event would be refused ("Amazon SNS permissions" in its user guide).
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
  # Errors and DeadLetters are increments: their sum is the number of events in the period, and the alarm ends when there are
  # no more. One failed attempt after which the job continues does not raise an alarm.
  alarms = {
    checkpoint-is-old = {
      metric      = "CheckpointAgeSeconds"
      statistic   = "Maximum"
      period      = 60
      of          = 5
      at_least    = 3
      threshold   = var.checkpoint_age_alarm_s
      description = "The job runs but has saved no checkpoint for 5 minutes: Kafka acknowledges nothing, or DynamoDB is unavailable. No record is lost or repeated. Read the job's log; see checkpoint-is-old in docs/operations/runbook.md."
    }
    attempts-fail = {
      metric      = "Errors"
      statistic   = "Sum"
      period      = 300
      of          = 1
      at_least    = 1
      threshold   = 2
      description = "At least 2 attempts of the job failed within 5 minutes. No record is lost or repeated; the job retries and finally exits. Read the warnings in its log; see attempts-fail in docs/operations/runbook.md."
    }
    rows-are-bad = {
      metric      = "DeadLetters"
      statistic   = "Sum"
      period      = 300
      of          = 1
      at_least    = 1
      threshold   = 1
      description = "Invalid rows went to the dead-letter topic within the last 5 minutes; they are missing from the sequence, and the job continues. Ask the owner of the data; see rows-are-bad in docs/operations/runbook.md."
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

# Total cost of the job, by its tag. The metric CostUsd estimates the machine only.
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
