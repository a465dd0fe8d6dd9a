#!/usr/bin/env bash
# Deploys the job on AWS Batch; deploy.sh --help.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=terraform/lib/deploy.sh
source ../lib/deploy.sh

start_job() {
  local queue=QUEUE definition=DEFINITION region=REGION name=JOB status running
  if [ "$dry_run" = false ]; then
    queue=$(output job_queue)
    definition=$(output job_definition)
    region=$(output aws_region)
    name=$(output job_id)
    for status in SUBMITTED PENDING RUNNABLE STARTING RUNNING; do
      running=$(aws batch list-jobs --region "$region" --job-queue "$queue" --job-status "$status" \
        --query 'length(jobSummaryList)' --output text)
      [ "$running" = 0 ] || fail "the job is already $status in queue $queue"
    done
  fi
  run aws batch submit-job --region "$region" --job-name "$name" --job-queue "$queue" --job-definition "$definition"
}

deploy "$@"
