#!/usr/bin/env bash
# Runs docs/scale-out/collect.sbatch under a real Slurm (one node, this machine; installed with apt-get where it is
# missing) and compares what its tasks collect with what one process does: the same files with the same bytes.
#
#   cargo build --release --workspace --examples && tools/slurm-check.sh
#
# Two array tasks collect into zoos of their own, which a dependent job merges, and then two into one zoo. Each time one
# task is killed (kill -9 of `collect`) and the other one is requeued (as when its node is taken away), both in the
# middle of a concept. Slurm's daemons run with a configuration in a temporary folder, on ports of their own.
#
# BIN=DIR takes the programs from another folder, ASSETS=DIR the assets; KEEP=1 leaves the temporary folder.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${BIN:-target/release/examples}
assets=$(realpath "${ASSETS:-assets}")
# Sorted as `collect` lists them: task 0 trains the first, third and fifth, task 1 the others.
concepts=(blue-fog blueprint-drawing chalk-drawing charcoal-sketch oil-painting red-fog)
arguments=(--assets "$assets" --only "$(IFS=, && echo "${concepts[*]}")" --epochs "${EPOCHS:-12}" --keep 2 --n-train 16 --n-validation 8)
even=,${concepts[0]},${concepts[2]},${concepts[4]},
odd=,${concepts[1]},${concepts[3]},${concepts[5]},
seconds=${SECONDS_AT_MOST:-600}

export PATH=$PATH:/usr/sbin:/sbin
for program in munged slurmctld slurmd sbatch; do
    if ! command -v "$program" >/dev/null; then
        echo "installing slurm-wlm"
        { apt-get update && apt-get install -y --no-install-recommends slurm-wlm munge; } >/dev/null
    fi
done

work=$(mktemp -d)
daemons=()
stop() {
    local status=$? pid i
    trap - EXIT
    # Jobs end first, and munged last, without which nobody could be told.
    if [ "${#daemons[@]}" = 3 ] && [ -n "$(timeout 5 squeue -h 2>/dev/null)" ]; then
        timeout 5 scancel --full --user="$user" || true
        for i in {1..100}; do
            [ -n "$(timeout 5 squeue -h 2>/dev/null)" ] || break
            sleep 0.2
        done
    fi
    for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do
        pid=${daemons[$i]}
        kill "$pid" 2>/dev/null || continue
        timeout 10 tail --pid="$pid" -f /dev/null || kill -9 "$pid"
        wait "$pid" 2>/dev/null || true
    done
    if [ -n "${KEEP:-}" ]; then
        echo "left: $work"
    else
        rm -rf "$work"
    fi
    exit "$status"
}
trap stop EXIT
trap 'exit 130' INT TERM

fail() {
    echo "slurm-check: $*" >&2
    tail -n 5 "$work"/log/* >&2 || true
    exit 1
}

# Runs a command again and again until it succeeds.
await() {
    local what=$1 end=$((SECONDS + seconds))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || fail "waited $seconds s for $what"
        sleep 0.1
    done
}

# The tasks go on with these, whatever is built meanwhile.
mkdir -p "$work"/{bin,log,state,spool,munge}
cp "$bin/collect" "$bin/merge_zoos" "$work/bin"

# --- Slurm ---
node=$(hostname -s)
user=$(id -un)
port=$((20000 + RANDOM % 10000))
chmod 755 "$work"
head -c 128 /dev/urandom >"$work/munge/key"
chmod 600 "$work/munge/key"
cat >"$work/slurm.conf" <<CONF
ClusterName=check
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
KillWait=5
MinJobAge=86400
MailProg=/bin/true
NodeName=$node NodeAddr=127.0.0.1 CPUs=2
PartitionName=check Nodes=$node Default=YES
CONF
export SLURM_CONF=$work/slurm.conf
munged --foreground --force --key-file="$work/munge/key" --socket="$work/munge/socket" --pid-file="$work/munge/pid" \
    --log-file="$work/log/munged" --seed-file="$work/munge/seed" >/dev/null 2>&1 &
daemons+=($!)
await munged test -S "$work/munge/socket"
slurmctld -D >"$work/log/slurmctld" 2>&1 &
daemons+=($!)
slurmd -D -N "$node" >"$work/log/slurmd" 2>&1 &
daemons+=($!)
idle() { [ "$(sinfo -h -o %T)" = idle ]; }
await "the node" idle
echo "$(sinfo --version) on $node: $(sinfo -h -o '%D node, %c CPUs, %T')"

# --- What one process collects ---
export RAYON_NUM_THREADS=1
"$work/bin/collect" "${arguments[@]}" --out "$work/whole" >"$work/log/whole" 2>&1 || fail "collect, in one process"
digests() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum); }
digests "$work/whole" >"$work/whole.sha256"
echo "one process: $(grep -c '\.json$' "$work/whole.sha256") records and manifests, $(du -sb "$work/whole" | cut -f1) bytes"

# Whether a task of the array trains a concept of $2 and has some of its epochs in $1.
in_training() {
    local state
    for state in "$1"/work/*/state; do
        state=${state%/state}
        if [[ -d $state && $2 == *,${state##*/},* ]]; then
            return 0
        fi
    done
    return 1
}
field() { scontrol show job "$1" | grep -o "\b$2=[^ ]*" | head -n 1 | cut -d= -f2; }
task_is() { [ "$(field "$1" JobState)" = "$2" ]; }
ended() { [ -z "$(squeue -h -j "$1")" ]; }
# The process of the program in task $2 of job $1.
process() {
    local environment
    for environment in /proc/[0-9]*/environ; do
        if [ "$(cat "${environment%environ}comm" 2>/dev/null)" = collect ] &&
            tr '\0' '\n' 2>/dev/null <"$environment" | grep -qx "SLURM_ARRAY_JOB_ID=$1" &&
            tr '\0' '\n' 2>/dev/null <"$environment" | grep -qx "SLURM_ARRAY_TASK_ID=$2"; then
            environment=${environment#/proc/}
            echo "${environment%/environ}"
            return
        fi
    done
    return 1
}

# Submits two tasks that write to folders $2 and $3 (which may be one), kills one, requeues the other, waits for both.
array() {
    local name=$1 job pid task
    job=$(sbatch --parsable --array=0-1 --cpus-per-task=1 --mem=0 --output="$work/log/$name-%a" \
        docs/scale-out/collect.sbatch "${arguments[@]}")
    if [ "$name" = parts ]; then
        merge=$(sbatch --parsable --dependency="afterok:$job" --kill-on-invalid-dep=yes --output="$work/log/merge" \
            --wrap "'$work/bin/merge_zoos' --into '$work/merged' '$work'/parts/*")
    fi
    await "task 1 of $name" in_training "$3" "$odd"
    pid=$(process "$job" 1) || fail "$name: no process of task 1"
    kill -9 "$pid"
    await "task 0 of $name" in_training "$2" "$even"
    task_is "${job}_0" RUNNING || fail "$name: task 0 was $(field "${job}_0" JobState), not running"
    scontrol requeue "${job}_0"
    await "$name" ended "$job"
    for task in 0 1; do
        task_is "${job}_$task" COMPLETED || fail "$name: task $task ended as $(field "${job}_$task" JobState)"
        [ "$(field "${job}_$task" Restarts)" = 1 ] || fail "$name: task $task had $(field "${job}_$task" Restarts) restarts"
    done
    echo "$name: job $job, task 1 killed (process $pid), task 0 requeued, both completed after one restart each"
}

# Fails unless folder $2 holds the files of the unsharded zoo.
compare() {
    digests "$2" >"$work/$1.sha256"
    diff "$work/whole.sha256" "$work/$1.sha256" >"$work/diff" || {
        head -n 5 "$work/diff" >&2
        fail "$1: not the zoo of one process"
    }
    echo "$1: the $(wc -l <"$work/$1.sha256") files of one process's zoo, byte for byte"
}

export COLLECT=$work/bin/collect PARTS=$work/parts
array parts "$PARTS/0" "$PARTS/1"
await "the merge" ended "$merge"
task_is "$merge" COMPLETED || fail "the merge ended as $(field "$merge" JobState)"
tail -n 1 "$work/log/merge"
compare merged "$work/merged"

export ZOO=$work/shared
array shared "$ZOO" "$ZOO"
compare shared "$ZOO"
echo "slurm-check: passed"
