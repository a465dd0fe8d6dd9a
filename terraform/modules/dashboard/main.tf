# dashboard.json.tftpl is written by the code: python -m sequencer.metrics.dashboard '${namespace}' '${job_id}' '${region}'
resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = templatefile("${path.module}/dashboard.json.tftpl", {
    namespace = var.namespace
    job_id    = var.job_id
    region    = var.aws_region
  })
}
