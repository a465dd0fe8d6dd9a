#!/usr/bin/env bash
# Sets the job up on an EC2 Spot machine; deploy.sh --help.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=terraform/lib/deploy.sh
source ../lib/deploy.sh

start_job() {
  run ./launch-spot.sh
}

deploy "$@"
