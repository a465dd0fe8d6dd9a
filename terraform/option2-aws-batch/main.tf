# Batch starts Spot instances while there is a job, and retries the job after an interruption and after exit code 75.
provider "aws" {
  region = var.aws_region

  default_tags {
    tags = { Application = "csvpipe", JobId = var.job.job_id }
  }
}

module "foundation" {
  source = "../modules/foundation"

  runs_on    = "container"
  has_events = true
  interface_endpoints = [
    "ecr.api",
    "ecr.dkr",
    "ecs",
    "ecs-agent",
    "ecs-telemetry",
    "logs",
    "monitoring",
  ]
  aws_region = var.aws_region
  job        = var.job
  network    = var.network
  monitoring = var.monitoring
  given      = { job = keys(var.job), network = keys(var.network), monitoring = keys(var.monitoring) }
}

data "aws_partition" "current" {}

data "aws_iam_policy_document" "machine_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

# Role of the machine's agent, which registers with ECS and pulls the image. The job has its own role.
resource "aws_iam_role" "machine" {
  name               = "${module.foundation.name}-machine"
  description        = "Machines of Batch for ${var.job.job_id}"
  assume_role_policy = data.aws_iam_policy_document.machine_trust.json
}

resource "aws_iam_role_policy_attachment" "machine" {
  role       = aws_iam_role.machine.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "machine" {
  name = "${module.foundation.name}-machine"
  role = aws_iam_role.machine.name
}

resource "aws_launch_template" "machine" {
  name                   = module.foundation.name
  update_default_version = true
  # Without this the agent accepts new jobs during the two minutes before an interruption. Batch requires MIME.
  user_data = base64encode(<<-MIME
    MIME-Version: 1.0
    Content-Type: multipart/mixed; boundary="==csvpipe=="

    --==csvpipe==
    Content-Type: text/x-shellscript; charset="us-ascii"

    #!/bin/bash
    echo ECS_ENABLE_SPOT_INSTANCE_DRAINING=true >>/etc/ecs/ecs.config

    --==csvpipe==--
  MIME
  )

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1 # containers of Batch share the network of their machine
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size           = 30
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }
}

locals {
  instance_types = distinct(concat([var.instance_type], var.other_instance_types))
  # In the order in which Batch tries them.
  environments = concat(
    [{ name = "spot", type = "SPOT", strategy = "SPOT_PRICE_CAPACITY_OPTIMIZED" }],
    var.on_demand_fallback ? [{ name = "on-demand", type = "EC2", strategy = "BEST_FIT_PROGRESSIVE" }] : [],
  )
}

resource "aws_batch_compute_environment" "this" {
  for_each = { for each in local.environments : each.name => each }

  name_prefix = "${module.foundation.name}-${each.key}-"
  type        = "MANAGED"

  compute_resources {
    type                = each.value.type
    allocation_strategy = each.value.strategy
    instance_type       = local.instance_types
    instance_role       = aws_iam_instance_profile.machine.arn
    min_vcpus           = 0
    max_vcpus           = var.task_cpu / 1024
    subnets             = var.network.subnet_ids
    security_group_ids  = [module.foundation.security_group_id]

    launch_template {
      launch_template_id = aws_launch_template.machine.id
      version            = "$Latest"
    }

    ec2_configuration {
      image_type = "ECS_AL2023"
    }
  }

  # A changed environment is created before the old one is destroyed: the queue must have one.
  lifecycle {
    create_before_destroy = true
  }

  depends_on = [aws_iam_role_policy_attachment.machine]
}

resource "aws_batch_job_queue" "this" {
  name     = module.foundation.name
  state    = "ENABLED"
  priority = 1

  dynamic "compute_environment_order" {
    for_each = local.environments
    content {
      order               = compute_environment_order.key + 1
      compute_environment = aws_batch_compute_environment.this[compute_environment_order.value.name].arn
    }
  }

  # Without these a job that fits no machine would wait forever without an alarm.
  dynamic "job_state_time_limit_action" {
    for_each = [
      "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
      "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
      "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    ]
    content {
      action           = "CANCEL"
      state            = "RUNNABLE"
      reason           = job_state_time_limit_action.value
      max_time_seconds = var.runnable_limit_s
    }
  }
}

resource "aws_batch_job_definition" "this" {
  name                  = module.foundation.name
  type                  = "container"
  platform_capabilities = ["EC2"]

  container_properties = jsonencode({
    image                  = "${module.foundation.repository_url}:${var.image_tag}"
    command                = ["sequence"]
    jobRoleArn             = module.foundation.job_role_arn
    executionRoleArn       = module.foundation.execution_role_arn
    readonlyRootFilesystem = true
    privileged             = false
    resourceRequirements = [
      { type = "VCPU", value = tostring(var.task_cpu / 1024) },
      { type = "MEMORY", value = tostring(var.task_memory) },
    ]
    linuxParameters = {
      initProcessEnabled = true
      tmpfs              = [{ containerPath = "/tmp", size = 64, mountOptions = ["rw", "nosuid", "nodev"] }]
    }
    # On an interruption Docker leaves ten seconds. The notice comes two minutes ahead, so the job polls for it.
    environment = [
      for name, value in merge(module.foundation.environment, { INTERRUPTION_CHECK = "true" }) : { name = name, value = value }
    ]
    secrets = [for name, place in module.foundation.secrets : { name = name, valueFrom = place }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = module.foundation.log_group_name
        awslogs-region        = var.aws_region
        awslogs-stream-prefix = "batch"
      }
    }
  })

  retry_strategy {
    attempts = 10 # the maximum of Batch

    evaluate_on_exit {
      on_status_reason = "Host EC2*" # the machine was interrupted
      action           = "RETRY"
    }
    evaluate_on_exit {
      on_exit_code = "75" # a service was unavailable, or the job was stopped before its end
      action       = "RETRY"
    }
    evaluate_on_exit {
      on_reason = "OutOfMemoryError*"
      action    = "EXIT"
    }
    evaluate_on_exit {
      on_exit_code = "137" # killed
      action       = "RETRY"
    }
    evaluate_on_exit {
      on_reason = "*" # cannot succeed without intervention
      action    = "EXIT"
    }
  }

  timeout {
    attempt_duration_seconds = var.job_timeout_s
  }
}

# Batch has no metric for failed jobs: its event is published to the topic of the alarms.
resource "aws_cloudwatch_event_rule" "needs_a_person" {
  name        = "${module.foundation.name}-needs-a-person"
  description = "The job stopped before its end and is not retried"
  event_pattern = jsonencode({
    source      = ["aws.batch"]
    detail-type = ["Batch Job State Change"]
    detail      = { status = ["FAILED"], jobQueue = [aws_batch_job_queue.this.arn] }
  })
}

# Batch emits an event if a job finds no machine, with the reason.
resource "aws_cloudwatch_event_rule" "waits_for_a_machine" {
  name        = "${module.foundation.name}-waits-for-a-machine"
  description = "The job finds no machine and is cancelled after runnable_limit_s"
  event_pattern = jsonencode({
    source      = ["aws.batch"]
    detail-type = ["Batch Job Queue Blocked"]
    detail      = { jobQueue = [aws_batch_job_queue.this.arn] }
  })
}

locals {
  rules = {
    needs-a-person      = aws_cloudwatch_event_rule.needs_a_person.name
    waits-for-a-machine = aws_cloudwatch_event_rule.waits_for_a_machine.name
  }
}

resource "aws_cloudwatch_event_target" "alarms" {
  for_each = local.rules

  rule = each.value
  arn  = module.foundation.alarm_topic_arn
}

# If an event cannot be published to the topic, CloudWatch reports that with its own permission.
resource "aws_cloudwatch_metric_alarm" "events_are_lost" {
  for_each = local.rules

  alarm_name          = "${module.foundation.name}-${each.key}-is-lost"
  alarm_description   = "EventBridge could not publish the event ${each.key} to the topic of alarms. Treat the job as if the event had arrived, then compare the policies of topic and key with terraform plan; see ${each.key}-is-lost in docs/operations/runbook.md."
  namespace           = "AWS/Events"
  metric_name         = "FailedInvocations"
  dimensions          = { RuleName = each.value }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [module.foundation.alarm_topic_arn]
}

module "silence_alarm" {
  source = "../modules/silence-alarm"

  name            = module.foundation.name
  namespace       = module.foundation.namespace
  job_id          = var.job.job_id
  alarm_topic_arn = module.foundation.alarm_topic_arn
  wanted = [
    # A machine means that there is a job; the rule above reports that there is none. Batch names the cluster.
    for environment in aws_batch_compute_environment.this : {
      namespace  = "AWS/ECS"
      metric     = "CPUReservation"
      dimensions = { ClusterName = element(split("/", environment.ecs_cluster_arn), 1) }
    }
  ]
}
