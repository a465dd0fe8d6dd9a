#!/usr/bin/env bash
# Runs on the machine at its first start, after lines that write job.env and host.env (see main.tf). Runs the container of the
# job and restarts it while it exits with 75. When the job is done, or needs a person, it sets the desired capacity of this
# machine's group to 0 and shuts down. On a Spot notice it stops the container; the group starts another machine, which resumes.
set -euo pipefail

CONFIG_DIR=${CSVPIPE_CONFIG_DIR:-/etc/csvpipe}
SECRETS=${CSVPIPE_SECRETS:-/run/csvpipe-secrets.env} # in memory, readable by root only
METADATA=http://169.254.169.254/latest
POLL_S=${CSVPIPE_POLL_S:-5}
PAUSE_S=${CSVPIPE_PAUSE_S:-30}
DRAIN_S=100 # more than STOP_WITHIN_S, less than the two minutes of the notice
NAME=csvpipe-sequencer
stream=machine

# Defines AWS_REGION, JOB_ID, IMAGE, LOG_GROUP, GROUP, MAX_RUNS, KAFKA_SECRET_ARN (may be empty), JOB_TIMEOUT_S, COMMAND
# shellcheck source=/dev/null
source "$CONFIG_DIR/host.env"
export AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION
read -ra arguments <<<"$COMMAND"

metadata() { # path
  local token
  token=$(curl --silent --fail --max-time 2 --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 300' \
    "$METADATA/api/token") || return 1
  curl --silent --fail --max-time 2 --header "X-aws-ec2-metadata-token: $token" "$METADATA/meta-data/$1"
}

say() { # text, to the console and to the log of the job
  printf 'csvpipe: %s\n' "$1" >&2
  aws logs put-log-events --log-group-name "$LOG_GROUP" --log-stream-name "$stream" \
    --log-events "timestamp=$(date +%s%3N),message=\"$1\"" >/dev/null ||
    printf 'csvpipe: the line above did not reach CloudWatch\n' >&2
}

try() { # times, command...; pauses double
  local times=$1 pause=$PAUSE_S
  shift
  until "$@"; do
    times=$((times - 1))
    [ "$times" -gt 0 ] || return 1
    sleep "$pause"
    pause=$((pause * 2))
  done
}

end_group() { # reason
  trap - EXIT
  say "$1"
  try 5 aws autoscaling set-desired-capacity --auto-scaling-group-name "$GROUP" --desired-capacity 0 \
    --no-honor-cooldown || say "NEEDS A PERSON: group $GROUP could not be set to 0, and will start another machine"
  shutdown -h now
  exit 0
}

# The script itself failed, and would fail on another machine as well.
trap 'end_group "NEEDS A PERSON: the startup script failed, see the console output of the machine"' EXIT

# shellcheck disable=SC2329  # called by try
log_in() {
  aws ecr get-login-password | docker login --username AWS --password-stdin "${IMAGE%%/*}" >/dev/null
}

prepare() {
  try 3 dnf install --quiet --assumeyes docker && systemctl enable --now docker &&
    try 5 log_in && try 5 docker pull --quiet "$IMAGE" >/dev/null
}

# shellcheck disable=SC2329  # called by try
write_secrets() { # the current user and password for Kafka
  (
    umask 077
    : >"$SECRETS"
    [ -n "$KAFKA_SECRET_ARN" ] || exit 0
    aws secretsmanager get-secret-value --secret-id "$KAFKA_SECRET_ARN" --query SecretString --output text |
      python3 -c 'import json, sys
given = json.load(sys.stdin)
print("KAFKA_USERNAME=" + given["username"])
print("KAFKA_PASSWORD=" + given["password"])' >"$SECRETS"
  )
}

start_container() { # number of the run
  try 5 write_secrets || end_group "NEEDS A PERSON: the secret $KAFKA_SECRET_ARN could not be read"
  docker rm --force "$NAME" >/dev/null 2>&1 || true
  docker run --detach --name "$NAME" --network host --read-only --tmpfs /tmp:size=64m --init \
    --cap-drop ALL --security-opt no-new-privileges --stop-timeout "$DRAIN_S" --env-file "$CONFIG_DIR/job.env" \
    --env-file "$SECRETS" \
    --log-driver awslogs --log-opt "awslogs-region=$AWS_REGION" --log-opt "awslogs-group=$LOG_GROUP" \
    --log-opt "awslogs-stream=$stream-run-$1" "$IMAGE" "${arguments[@]}" >/dev/null
}

is_running() {
  [ "$(docker inspect --format '{{.State.Running}}' "$NAME")" = true ]
}

follow() { # wait until the container ends; stop it on a Spot notice
  interrupted=false late=false
  while is_running; do
    if [ "$interrupted" = false ] && notice=$(metadata spot/instance-action); then
      interrupted=true
      say "Spot notice ($(tr -d '"{}' <<<"$notice")): stopping the job within $DRAIN_S s"
      docker stop --time "$DRAIN_S" "$NAME" >/dev/null
    elif [ "$late" = false ] && [ "$SECONDS" -ge "$JOB_TIMEOUT_S" ]; then
      late=true
      say "job $JOB_ID has run for more than $JOB_TIMEOUT_S s: stopping it within $DRAIN_S s"
      docker stop --time "$DRAIN_S" "$NAME" >/dev/null
    fi
    sleep "$POLL_S"
  done
  code=$(docker inspect --format '{{.State.ExitCode}}' "$NAME")
}

run_until_done() {
  local run pause=$PAUSE_S
  for ((run = 1; run <= MAX_RUNS; run++)); do
    start_container "$run"
    follow
    if [ "$code" -eq 0 ]; then
      end_group "job $JOB_ID is done"
    elif [ "$interrupted" = true ]; then
      say "job $JOB_ID stopped after the Spot notice with exit code $code; the next machine of $GROUP resumes it"
      trap - EXIT
      shutdown -h now
      exit 0
    elif [ "$late" = true ]; then
      end_group "NEEDS A PERSON: job $JOB_ID is not done after $JOB_TIMEOUT_S s; start it again to resume"
    elif [ "$code" -ne 75 ] && [ "$code" -lt 128 ]; then # 128 or more: killed
      end_group "NEEDS A PERSON: job $JOB_ID ended with exit code $code (docs/how-to/sequencer.md), see stream $stream-run-$run"
    fi
    say "job $JOB_ID ended with exit code $code in run $run of $MAX_RUNS; restarting in $pause s"
    sleep "$pause"
    pause=$((pause < 600 ? pause * 2 : 600))
  done
  end_group "NEEDS A PERSON: job $JOB_ID was started $MAX_RUNS times and is not done; last exit code $code"
}

stream=machine-$(try 5 metadata instance-id)
aws logs create-log-stream --log-group-name "$LOG_GROUP" --log-stream-name "$stream" ||
  printf 'csvpipe: cannot create log stream %s\n' "$stream" >&2
prepare || end_group "NEEDS A PERSON: Docker or the image $IMAGE could not be installed"
run_until_done
