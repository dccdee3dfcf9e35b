#!/bin/sh
# Builds every fuzz target with stable Rust and runs each for some seconds (default 10), or one: run.sh SECONDS TARGET.
# With a C++ compiler libFuzzer runs them, guided by coverage; without one they are run on random bytes.
# Ends with an error at the first crash; its input is then in artifacts/.
set -eu
cd "$(dirname "$0")"
seconds=${1:-10}
host=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p artifacts

# --target keeps the instrumentation away from build scripts and macros.
if command -v "${CXX:-c++}" >/dev/null; then
    engine=libFuzzer
    RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing" \
        cargo build --release --locked --target "$host" --features libfuzzer
else
    engine='random bytes'
    cargo build --release --locked --target "$host"
fi

run() {
    if [ "$engine" = libFuzzer ]; then
        mkdir -p "corpus/$1"
        "$built/$1" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=10 -max_len=8192 \
            -artifact_prefix="artifacts/$1-" -print_final_stats=1 "corpus/$1"
    else
        "$built/$1" "$seconds"
    fi
}

built=${CARGO_TARGET_DIR:-target}/$host/release
for source in targets/${2:-*}.rs; do
    name=$(basename "$source" .rs)
    echo "fuzz $name: $seconds s of $engine"
    run "$name" >"artifacts/$name.log" 2>&1 || {
        tail -n 30 "artifacts/$name.log"
        exit 1
    }
    grep -E 'number_of_executed_units' "artifacts/$name.log"
done
