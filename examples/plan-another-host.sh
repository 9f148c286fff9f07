#!/usr/bin/env bash
# Plans for a host that is not this one.
#
#   plan-another-host.sh FACTS [DIR]
#
# FACTS is what the other host's facts are: ssh db1 llmsql facts --format json >db1.facts.json
# Where llmsql is not installed there, its numbers will do: llmsql plan --ram 64GB --cpus 16 --disk nvme
set -euo pipefail
facts=$1
out=${2:-rendered}

llmsql plan --facts "$facts" --check
llmsql render --facts "$facts" --out "$out"

# What would twice the memory change?
ram=$(llmsql plan --facts "$facts" --format json | sed -n 's/^ *"ram_bytes": \([0-9]*\),$/\1/p')
llmsql plan --facts "$facts" --ram "$((ram / 512))kB" --only postgresql
