# Fargate runs the container; a Step Functions state machine restarts the task until the job is done.
provider "aws" {
  region = var.aws_region

  default_tags {
    tags = { Application = "csvpipe", JobId = var.job.job_id }
  }
}

module "foundation" {
  source = "../modules/foundation"

  runs_on = "container"
  interface_endpoints = [
    "ecr.api",
    "ecr.dkr",
    "logs",
    "monitoring",
  ]
  aws_region = var.aws_region
  job        = var.job
  network    = var.network
  monitoring = var.monitoring
  given      = { job = keys(var.job), network = keys(var.network), monitoring = keys(var.monitoring) }
}

locals {
  container = "sequencer"
}

resource "aws_ecs_cluster" "this" {
  name = module.foundation.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = [var.capacity_provider]
}

resource "aws_ecs_task_definition" "this" {
  family                   = module.foundation.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = tostring(var.task_cpu)
  memory                   = tostring(var.task_memory)
  task_role_arn            = module.foundation.job_role_arn
  execution_role_arn       = module.foundation.execution_role_arn
  # A running execution keeps starting tasks from the revision that it began with, also after the next deployment.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  container_definitions = jsonencode([{
    name                   = local.container
    image                  = "${module.foundation.repository_url}:${var.image_tag}"
    command                = ["sequence"]
    essential              = true
    readonlyRootFilesystem = true
    # More than STOP_WITHIN_S, and the maximum of Fargate.
    stopTimeout     = 120
    linuxParameters = { initProcessEnabled = true }
    environment     = [for name, value in module.foundation.environment : { name = name, value = value }]
    secrets         = [for name, place in module.foundation.secrets : { name = name, valueFrom = place }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = module.foundation.log_group_name
        awslogs-region        = var.aws_region
        awslogs-stream-prefix = "fargate"
      }
    }
  }])
}

resource "aws_sfn_state_machine" "this" {
  name     = module.foundation.name
  role_arn = aws_iam_role.runner.arn
  definition = templatefile("${path.module}/state-machine.json.tftpl", {
    cluster           = aws_ecs_cluster.this.arn
    task_definition   = aws_ecs_task_definition.this.arn
    capacity_provider = var.capacity_provider
    subnet_ids        = jsonencode(var.network.subnet_ids)
    security_group    = module.foundation.security_group_id
    max_runs          = var.max_runs
    restart_delay_s   = var.restart_delay_s
    job_timeout_s     = var.job_timeout_s
    partition         = data.aws_partition.current.partition
  })
}

resource "aws_cloudwatch_metric_alarm" "needs_a_person" {
  alarm_name          = "${module.foundation.name}-needs-a-person"
  alarm_description   = "The job stopped before its end and is not restarted. No record is lost or repeated. Read the end of its log, correct the cause and run ./deploy.sh --run; see needs-a-person in docs/operations/runbook.md."
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [module.foundation.alarm_topic_arn]

  metric_query {
    id          = "ended"
    expression  = "FILL(failed, 0) + FILL(timed_out, 0)"
    label       = "Executions that ended without the job being done"
    return_data = true
  }

  # CloudWatch does not count an execution that timed out as failed.
  dynamic "metric_query" {
    for_each = { failed = "ExecutionsFailed", timed_out = "ExecutionsTimedOut" }
    content {
      id          = metric_query.key
      return_data = false
      metric {
        namespace   = "AWS/States"
        metric_name = metric_query.value
        dimensions  = { StateMachineArn = aws_sfn_state_machine.this.arn }
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_iam_policy_document" "runner_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "runner" {
  statement {
    sid       = "RunTheTask"
    actions   = ["ecs:RunTask"]
    resources = ["${aws_ecs_task_definition.this.arn_without_revision}:*"]
    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.this.arn]
    }
  }

  statement {
    sid       = "FollowAndStopTheTask"
    actions   = ["ecs:DescribeTasks", "ecs:StopTask"]
    resources = ["arn:${data.aws_partition.current.partition}:ecs:${var.aws_region}:${data.aws_caller_identity.current.account_id}:task/${aws_ecs_cluster.this.name}/*"]
  }

  # Step Functions uses this rule to learn that a task has ended.
  statement {
    sid       = "HearOfItsEnd"
    actions   = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]
    resources = ["arn:${data.aws_partition.current.partition}:events:${var.aws_region}:${data.aws_caller_identity.current.account_id}:rule/StepFunctionsGetEventsForECSTaskRule"]
  }

  statement {
    sid       = "GiveTheTaskItsRoles"
    actions   = ["iam:PassRole"]
    resources = [module.foundation.job_role_arn, module.foundation.execution_role_arn]
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "runner" {
  name               = "${module.foundation.name}-runner"
  description        = "Runs the task of ${var.job.job_id} until it is done"
  assume_role_policy = data.aws_iam_policy_document.runner_trust.json
}

resource "aws_iam_role_policy" "runner" {
  name   = "runner"
  role   = aws_iam_role.runner.id
  policy = data.aws_iam_policy_document.runner.json
}

module "silence_alarm" {
  source = "../modules/silence-alarm"

  name            = module.foundation.name
  namespace       = module.foundation.namespace
  job_id          = var.job.job_id
  alarm_topic_arn = module.foundation.alarm_topic_arn
  wanted = [
    # An execution without a task ends after max_runs. This detects a task that runs but sends nothing.
    { namespace = "ECS/ContainerInsights", metric = "TaskCount", dimensions = { ClusterName = aws_ecs_cluster.this.name } },
  ]
}
