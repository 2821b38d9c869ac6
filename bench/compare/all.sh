#!/bin/sh
# all.sh FOLDER... - compare on the whole set of models, in pieces that are short enough to be run between other work.
#
#   PEERS="llama.cpp=VENV/bin/python ik_llama.cpp=VENV2/bin/python" bench/compare/all.sh FOLDER...
#
# Looks for the files of the set in the folders; what is missing is said and left out. Run it again to go on where it was
# stopped: everything that is measured is in the file at once.
#   RUN    name of the run; default today's date. Another name begins again
#   OUT    file of values; default bench/results/DATE-compare.tsv
#   HYPERLAMA  the program; default the release build
#   UNDER  a command to run each piece through: a lock, nice, taskset
#   FOR    seconds of a piece (220)      LIMIT  of them for one program (75)      ROUNDS  (3)
#   ONLY   models of the set whose names contain it
set -u
here=$(dirname "$0")
day=$(date +%F)
RUN=${RUN:-$day} OUT=${OUT:-$here/../results/$day-compare.tsv} UNDER=${UNDER:-} FOR=${FOR:-220} LIMIT=${LIMIT:-75} ROUNDS=${ROUNDS:-3} ONLY=${ONLY:-}
options=$(for p in ${PEERS:-}; do printf ' --peer %s' "$p"; done)${HYPERLAMA:+ --hyperlama $HYPERLAMA}

compare() { # MODEL PIECES
    while :; do
        # shellcheck disable=SC2086
        $UNDER python3 "$here/compare.py" $options --for "$FOR" --limit "$LIMIT" --rounds "$ROUNDS" --run "$RUN" --out "$OUT" --pieces "$2" "$1"
        rc=$?
        [ $rc = 75 ] || [ $rc = 124 ] || return $rc
    done
}

# model and pieces; the first ones matter most
while read -r name pieces; do
    case $name in *"$ONLY"*) ;; *) continue ;; esac
    model=
    for folder in "$@"; do [ -f "$folder/$name.gguf" ] && model=$folder/$name.gguf; done
    if [ -z "$model" ]; then
        echo "$name.gguf: not there, left out" >&2
        continue
    fi
    compare "$model" "$pieces" < /dev/null || echo "$name: compare ended with $?" >&2
done << END
llama3.2-1b-q4_k_m   core,depth,depth-q8,busy,start
smollm2-135m-q4_1    core,depth,depth-q8,busy,start
gemma3-270m-q4_k_m   core,depth,depth-q8,start
llama3.2-1b-q8_0     core,start
llama3-8b-q4_k_m     core,depth,depth-q8,start
llama3-8b-q8_0       core
llama3.2-3b-q4_k_m   core
llama3.2-1b-q5_k_m   core
llama3.2-1b-q6_k     core
llama3.2-1b-q4_0     core
llama3.2-1b-q4_1     core
llama3.2-1b-f16      core
llama3.2-1b-bf16     core
qwen3-0.6b-q8_0      core,depth
moe-small-q4_k_m     core,start
END
python3 "$here/compare.py" --report "$OUT" --run "$RUN"
