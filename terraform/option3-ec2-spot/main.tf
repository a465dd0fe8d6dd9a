# One Spot instance in an Auto Scaling group. It is replaced after an interruption; when the job is done, it sets the desired
# capacity of the group to 0 and shuts down.
provider "aws" {
  region = var.aws_region

  default_tags {
    tags = { Application = "csvpipe", JobId = var.job.job_id }
  }
}

module "foundation" {
  source = "../modules/foundation"

  runs_on = "instance"
  interface_endpoints = [
    "autoscaling",
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
  # Configuration of the machine: user-data.sh reads both files.
  job_env  = join("\n", [for name, value in module.foundation.environment : "${name}=${value}"])
  host_env = <<-HOST
    AWS_REGION='${var.aws_region}'
    JOB_ID='${var.job.job_id}'
    IMAGE='${module.foundation.repository_url}:${var.image_tag}'
    LOG_GROUP='${module.foundation.log_group_name}'
    GROUP='${module.foundation.name}'
    MAX_RUNS='${var.max_runs}'
    KAFKA_SECRET_ARN='${module.foundation.kafka_secret_arn}'
    JOB_TIMEOUT_S='${var.job_timeout_s}'
    COMMAND='${join(" ", var.container_command)}'
  HOST
  user_data = join("\n", [
    "#!/bin/bash",
    "install -d -m 0755 /etc/csvpipe",
    "cat >/etc/csvpipe/job.env <<'JOB_ENV'",
    local.job_env,
    "JOB_ENV",
    "cat >/etc/csvpipe/host.env <<'HOST_ENV'",
    trimspace(local.host_env),
    "HOST_ENV",
    file("${path.module}/user-data.sh"),
  ])
}

resource "aws_launch_template" "this" {
  name                                 = module.foundation.name
  image_id                             = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
  instance_type                        = var.instance_type
  instance_initiated_shutdown_behavior = "terminate"
  update_default_version               = true
  user_data                            = base64encode(local.user_data)

  iam_instance_profile {
    arn = aws_iam_instance_profile.this.arn
  }

  network_interfaces {
    associate_public_ip_address = false
    delete_on_termination       = true
    security_groups             = [module.foundation.security_group_id]
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1 # the container shares the network of its machine
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size           = 20
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = module.foundation.name, Application = "csvpipe", JobId = var.job.job_id }
  }
}

resource "aws_iam_instance_profile" "this" {
  name = module.foundation.name
  role = module.foundation.job_role_name
}

# launch-spot.sh sets the desired capacity to 1, the machine itself to 0; Terraform ignores it.
resource "aws_autoscaling_group" "this" {
  name                = module.foundation.name
  min_size            = 0
  max_size            = 1
  desired_capacity    = 0
  vpc_zone_identifier = var.network.subnet_ids
  # A second machine would only wait for the lease of the first.
  capacity_rebalance = false
  enabled_metrics    = ["GroupDesiredCapacity", "GroupInServiceInstances"]

  mixed_instances_policy {
    instances_distribution {
      on_demand_base_capacity                  = 0
      on_demand_percentage_above_base_capacity = var.on_demand ? 100 : 0
      spot_allocation_strategy                 = "price-capacity-optimized"
    }

    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.this.id
        version            = aws_launch_template.this.latest_version
      }

      dynamic "override" {
        for_each = distinct(concat([var.instance_type], var.other_instance_types))
        content {
          instance_type = override.value
        }
      }
    }
  }

  tag {
    key                 = "JobId"
    value               = var.job.job_id
    propagate_at_launch = true
  }

  lifecycle {
    ignore_changes = [desired_capacity]
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

# By the name of the group instead of its ARN: the machine needs the permission from its first minute.
data "aws_iam_policy_document" "end_the_group" {
  statement {
    sid       = "EndTheGroup"
    actions   = ["autoscaling:SetDesiredCapacity"]
    resources = ["arn:${data.aws_partition.current.partition}:autoscaling:${var.aws_region}:${data.aws_caller_identity.current.account_id}:autoScalingGroup:*:autoScalingGroupName/${module.foundation.name}"]
  }
}

resource "aws_iam_role_policy" "end_the_group" {
  name   = "end-the-group"
  role   = module.foundation.job_role_name
  policy = data.aws_iam_policy_document.end_the_group.json
}

# The machine logs one line with the reason for which it ended its group; this turns the line into an alarm.
resource "aws_cloudwatch_log_metric_filter" "needs_a_person" {
  name           = "${module.foundation.name}-needs-a-person"
  log_group_name = module.foundation.log_group_name
  pattern        = "\"NEEDS A PERSON\""

  metric_transformation {
    name      = "NeedsAPerson"
    namespace = "csvpipe/machines/${var.job.job_id}"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "needs_a_person" {
  alarm_name          = "${module.foundation.name}-needs-a-person"
  alarm_description   = "The job stopped before its end and is not restarted. No record is lost or repeated. Read the end of its log, correct the cause and run ./deploy.sh --run; see needs-a-person in docs/operations/runbook.md."
  namespace           = "csvpipe/machines/${var.job.job_id}"
  metric_name         = aws_cloudwatch_log_metric_filter.needs_a_person.metric_transformation[0].name
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
    { namespace = "AWS/AutoScaling", metric = "GroupDesiredCapacity", dimensions = { AutoScalingGroupName = aws_autoscaling_group.this.name } },
  ]
}
