# A job is wanted, and nothing comes from it: no machine, no image, or a process that hangs before its first metric.
# CloudWatch has no values of a job that does not run, so that missing values alone are no alarm: FILL makes them a number
# on both sides, and the alarm is where the one says "wanted" and the other "silent".
locals {
  wanted = join(" + ", [for number, each in var.wanted : "FILL(wanted${number}, 0)"])
}

resource "aws_cloudwatch_metric_alarm" "this" {
  alarm_name          = "${var.name}-wanted-and-silent"
  alarm_description   = "A job is wanted, and no metrics have come from it for 15 minutes: it has no machine, or hangs"
  evaluation_periods  = 3
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching" # only where CloudWatch itself evaluates nothing: the expression has a value always
  alarm_actions       = [var.alarm_topic_arn]

  metric_query {
    id          = "silent"
    expression  = "IF(${local.wanted} > 0 AND FILL(sent, -1) < 0, 1, 0)"
    label       = "Wanted and silent"
    return_data = true
  }

  metric_query {
    id          = "sent"
    return_data = false
    metric {
      namespace   = var.namespace
      metric_name = "RecordsSent"
      dimensions  = { JobId = var.job_id }
      period      = 300
      stat        = "Maximum"
    }
  }

  dynamic "metric_query" {
    for_each = var.wanted
    content {
      id          = "wanted${metric_query.key}"
      return_data = false
      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        period      = 300
        stat        = "Maximum"
      }
    }
  }
}
