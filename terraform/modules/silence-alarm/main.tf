# Alarm for a job that should run but sends no metrics: no machine, no image, or a process that hangs before its first metric.
# A job that does not run has no values in CloudWatch, so missing values alone must not raise an alarm. FILL turns them into
# numbers for both metrics, and the alarm fires if the one says "wanted" and the other "silent".
locals {
  wanted = join(" + ", [for number, each in var.wanted : "FILL(wanted${number}, 0)"])
}

resource "aws_cloudwatch_metric_alarm" "this" {
  alarm_name          = "${var.name}-wanted-and-silent"
  alarm_description   = "The job should run but has sent no metrics for 15 minutes: it has no machine, its image cannot be pulled, or it hangs. No record is lost or repeated. See wanted-and-silent in docs/operations/runbook.md."
  evaluation_periods  = 3
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching" # applies only if CloudWatch itself evaluates nothing: the expression always has a value
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
