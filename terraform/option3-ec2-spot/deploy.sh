#!/usr/bin/env bash
# Deploys the job on an EC2 Spot instance; deploy.sh --help.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=terraform/lib/deploy.sh
source ../lib/deploy.sh

start_job() {
  run ./launch-spot.sh
}

deploy "$@"
