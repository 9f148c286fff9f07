#!/usr/bin/env bash
# A provisioning step: plans this host, refuses to go on if the plan breaks an invariant, and leaves the configuration
# files in a folder for the next step (an image build, ansible's copy, …).
#
#   ci-provision.sh [DIR]     DIR: where the files go, ./rendered unless it is given
#
# Values come from llmsql.toml, or from the pipeline's environment: LLMSQL_HOST_OTHER_MEMORY=1GB,
# LLMSQL_PLAN_PROFILE=analytics. A misspelt one is an error (64), not a default.
set -euo pipefail
out=${1:-rendered}

# 5: an invariant is violated; the table on stderr says which, and what to do about it.
llmsql plan --check --format table >&2

llmsql render --out "$out"

# The plan itself is kept beside the files: the next run can be compared with it.
llmsql plan --format json >"$out.plan.json"
