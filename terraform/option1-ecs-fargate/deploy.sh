#!/usr/bin/env bash
# Deploys the job on ECS Fargate; deploy.sh --help.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=terraform/lib/deploy.sh
source ../lib/deploy.sh

start_job() {
  local machine=STATE_MACHINE region=REGION running
  if [ "$dry_run" = false ]; then
    machine=$(output state_machine_arn)
    region=$(output aws_region)
    running=$(aws stepfunctions list-executions --region "$region" --state-machine-arn "$machine" \
      --status-filter RUNNING --query 'length(executions)' --output text)
    [ "$running" = 0 ] || fail "the job is already running: $running execution(s) of $machine"
  fi
  run aws stepfunctions start-execution --region "$region" --state-machine-arn "$machine"
}

deploy "$@"
