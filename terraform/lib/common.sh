# shellcheck shell=bash
# Functions that the scripts of the three options share; to be sourced.

dry_run=false
yes=false

say() { printf '%s\n' "$*"; }

fail() { # text
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

fail_usage() { # argument
  printf '%s: unknown option %s\n\n' "$(basename "$0")" "$1" >&2
  usage >&2
  exit 2
}

need_tools() { # names
  local tool missing=()
  for tool in "$@"; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ "${#missing[@]}" -eq 0 ] || fail "not found: ${missing[*]}; install them and put them on the PATH"
}

run() { # command: or, with --dry-run, print it
  if [ "$dry_run" = true ]; then
    printf 'would run: %s\n' "$(printf '%q ' "$@" | sed 's/ $//')"
  else
    "$@"
  fi
}

output() { # name of an output of Terraform
  local value
  # Without any output Terraform prints a warning on standard output and exits with 0.
  if ! value=$(terraform output -raw "$1" 2>/dev/null) || [[ ! $value =~ ^[^[:space:]]+$ ]]; then
    fail "Terraform has no output $1; run ./deploy.sh first"
  fi
  printf '%s' "$value"
}

region_of() { # URL of a repository: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME
  local host=${1%%/*}
  host=${host#*.*.*.}
  printf '%s' "${host%%.*}"
}

confirm() { # question
  [ "$yes" = false ] || return 0
  local answer
  read -r -p "$1 [y/N] " answer || fail "no answer on standard input; pass --yes to continue without asking"
  [ "$answer" = y ] || [ "$answer" = yes ] || fail "nothing was changed"
}

confirm_name() { # description, the name that has to be typed
  [ "$yes" = false ] || return 0
  local answer
  read -r -p "$1 Type its name ($2) to continue: " answer || fail "no answer on standard input; pass --yes to continue without asking"
  [ "$answer" = "$2" ] || fail "nothing was changed"
}
