# shellcheck shell=bash
# Deploys one option, from its directory: repository, image, everything else, and with --run the job. To be sourced by
# deploy.sh of an option, which defines start_job.

# shellcheck source=terraform/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  cat <<'TEXT'
usage: deploy.sh [--yes] [--run] [--dry-run] [--destroy]

Builds and pushes the image of this commit, and creates the resources described by terraform.tfvars.

  --yes      change things without asking
  --run      also start the job; after a stop it resumes
  --dry-run  print the commands and change nothing
  --destroy  destroy everything, including checkpoints and images, but not the topic. Asks for the name of the job
TEXT
}

start=false
destroy=false

read_arguments() {
  local argument
  for argument in "$@"; do
    case $argument in
      --yes) yes=true ;;
      --run) start=true ;;
      --dry-run) dry_run=true ;;
      --destroy) destroy=true ;;
      -h | --help) usage && exit 0 ;;
      *) fail_usage "$argument" ;;
    esac
  done
  [ "$start" = false ] || [ "$destroy" = false ] || fail "--run and --destroy exclude each other"
}

check_ready() {
  if [ "$destroy" = true ]; then need_tools aws terraform git; else need_tools aws docker git terraform; fi
  [ -f terraform.tfvars ] || fail "terraform.tfvars is missing: copy terraform.tfvars.example and fill it in"
  root=$(git rev-parse --show-toplevel)
  image_tag=$(git rev-parse --short=12 HEAD)
  # The image is named after the commit, so the tree must be that commit.
  [ "$destroy" = true ] || [ -z "$(git status --porcelain -- "$root")" ] ||
    fail "there are uncommitted changes; commit them first, because the image is named after the commit"
}

check_job() {
  local repository owner wanted
  # The one output that exists since the first apply. Without it there is nothing to lose.
  repository=$(output repository_url 2>/dev/null) || return 0
  owner="${repository##*/csvpipe-} in $(region_of "$repository")"
  # shellcheck disable=SC2016 # the template is Terraform's
  wanted=$(terraform console -var "image_tag=$image_tag" <<<'"${var.job.job_id} in ${var.aws_region}"')
  [ "$wanted" = "\"$owner\"" ] || fail "the state belongs to the job $owner, but terraform.tfvars describes" \
    "${wanted//\"/}: continuing would destroy the checkpoints, images and logs of the first one;" \
    "use a separate state for each job (terraform workspace new NAME)"
}

destroy_all() {
  local table=TABLE region=REGION job
  if [ "$dry_run" = false ]; then
    job=$(output repository_url 2>/dev/null) || job="/csvpipe-nothing" # not applied yet
    confirm_name "This destroys everything of this job, checkpoints and images included." "${job##*/csvpipe-}"
    table=$(output checkpoint_table 2>/dev/null) || table=""
  fi
  if [ -n "$table" ]; then # otherwise only the image repository exists
    [ "$dry_run" = true ] || region=$(output aws_region)
    run aws dynamodb update-table --region "$region" --table-name "$table" --no-deletion-protection-enabled --output text
  fi
  run terraform destroy -input=false -auto-approve -var "image_tag=$image_tag"
}

plan_and_apply() { # question, more arguments of plan
  local question=$1
  shift
  run terraform plan -input=false -var "image_tag=$image_tag" -out=deploy.tfplan "$@"
  [ "$dry_run" = true ] || confirm "$question"
  run terraform apply -input=false deploy.tfplan
  run rm -f deploy.tfplan
}

push_image() {
  local repository region image
  if [ "$dry_run" = true ]; then
    repository="REPOSITORY" region="REGION"
  else
    # After an apply with -target there is only this output.
    repository=$(output repository_url)
    region=$(region_of "$repository")
  fi
  image=$repository:$image_tag
  if [ "$dry_run" = false ] && aws ecr describe-images --region "$region" --repository-name "${repository#*/}" \
    --image-ids "imageTag=$image_tag" >/dev/null 2>&1; then
    say "$image exists already, and tags never change"
    return
  fi
  run docker build --platform linux/amd64 --target sequencer --tag "$image" "$root"
  if [ "$dry_run" = true ]; then
    say "would run: aws ecr get-login-password --region $region | docker login --username AWS --password-stdin $repository"
  else
    aws ecr get-login-password --region "$region" |
      docker login --username AWS --password-stdin "${repository%%/*}" >/dev/null
  fi
  run docker push "$image"
}

deploy() { # arguments of the script
  read_arguments "$@"
  check_ready
  run terraform init -input=false
  [ "$dry_run" = true ] || check_job
  if [ "$destroy" = true ]; then
    destroy_all
    return
  fi
  # The image needs its repository, and everything else needs the image.
  plan_and_apply "Create the image repository as planned above?" -target=module.foundation.module.image_repository
  push_image
  plan_and_apply "Create everything else as planned above?"
  if [ "$start" = true ]; then start_job; fi
}
