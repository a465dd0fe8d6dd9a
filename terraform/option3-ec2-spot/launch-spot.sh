#!/usr/bin/env bash
# Starts the machine of the job by setting the desired capacity of its group to 1. After a stop the job resumes.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=terraform/lib/common.sh
source ../lib/common.sh

usage() {
  cat <<'TEXT'
usage: launch-spot.sh [--dry-run]

Starts the machine of the job that ./deploy.sh deployed. It shuts down when the job is done or needs a person.
TEXT
}

dry_run=false
for argument in "$@"; do
  case $argument in
    --dry-run) dry_run=true ;;
    -h | --help) usage && exit 0 ;;
    *) fail_usage "$argument" ;;
  esac
done

need_tools aws terraform
group=$(output autoscaling_group)
region=$(output aws_region)
wanted=$(aws autoscaling describe-auto-scaling-groups --region "$region" --auto-scaling-group-names "$group" \
  --query 'AutoScalingGroups[0].DesiredCapacity' --output text)
case $wanted in
  0) ;;
  1) fail "group $group already wants a machine: the job runs or is starting" ;;
  *) fail "there is no group $group in $region; run ./deploy.sh first" ;;
esac
run aws autoscaling set-desired-capacity --region "$region" --auto-scaling-group-name "$group" --desired-capacity 1
say "a Spot instance is starting in group $group. Log: aws logs tail $(output log_group_name) --region $region --follow"
