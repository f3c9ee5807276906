#!/usr/bin/env bash
# Run the whole test suite as other machines would: other kernels of OpenBLAS and torch, one and two threads, other
# orders, and two suites at once beside a busy loop. Some seven runs of the suite: about an hour on two cores.
#
#   make portability                           all of it
#   tests/portability.sh PYTHON [PYTEST ARGS]  with that Python; arguments choose tests
#
# OPENBLAS_CORETYPE forces NumPy's and SciPy's kernels. What the processor lacks is left out, and the log says so.
set -u
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

python=$1
shift
logs=$(mktemp -d)
failed=0

kernel() {  # the kernel that OpenBLAS takes when it is asked for $1
    OPENBLAS_CORETYPE=$1 "$python" -c '
import scipy.linalg
from threadpoolctl import threadpool_info
print(next((one["architecture"] for one in threadpool_info() if one["internal_api"] == "openblas"), "none"))' 2>/dev/null
}

suite() {  # suite NAME VARIABLES... -- PYTEST ARGS...
    local name=$1 start=$SECONDS environment=() status
    shift
    while [ "$1" != -- ]; do environment+=("$1"); shift; done
    shift
    env "${environment[@]}" "$python" -m pytest -q -n 2 -o cache_dir="$logs/cache-$name" "$@" >"$logs/$name" 2>&1
    status=$?
    printf '%-12s %-108s %5d s  %s\n' "$name" "${environment[*]}" $((SECONDS - start)) "$(tail -n 1 "$logs/$name")"
    grep -E '^(FAILED|ERROR)' "$logs/$name"
    return $status
}

# name, kernel, capability of torch, threads, order
while read -r name core aten threads order; do
    taken=$(kernel "$core")
    if [ "$taken" != "$core" ]; then
        printf '%-12s left out: asked for %s, OpenBLAS takes %s here\n' "$name" "$core" "$taken"
        continue
    fi
    case $order in
        file) arguments=() ;;
        *) arguments=(-p randomly --randomly-seed="$order") ;;
    esac
    suite "$name" OPENBLAS_CORETYPE="$core" ATEN_CPU_CAPABILITY="$aten" OMP_NUM_THREADS="$threads" \
        OPENBLAS_NUM_THREADS="$threads" -- "${arguments[@]}" "$@" </dev/null || failed=1
done <<'RUNS'
haswell Haswell avx2 1 1
zen Zen avx2 2 file
skylakex SkylakeX avx512 1 2
sandybridge Sandybridge default 2 3
nehalem Nehalem avx2 1 file
RUNS

# The default environment, twice at once, with an endless loop beside.
"$python" -c 'while True: pass' &
loop=$!
trap 'kill $loop; rm -rf "$logs"' EXIT
suite "loaded-1" -u OMP_NUM_THREADS -u OPENBLAS_NUM_THREADS -- "$@" &
first=$!
suite "loaded-2" -u OMP_NUM_THREADS -u OPENBLAS_NUM_THREADS -- "$@" || failed=1
wait $first || failed=1

[ $failed = 0 ] && echo "All runs passed." || echo "There are failures."
exit $failed
