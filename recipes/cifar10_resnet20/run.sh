#!/bin/sh
# ResNet-20 from random weights, three seeds of each side. Goes on where it was broken off; what is complete is left alone.
# From the workspace root, after `cargo build --release -p heirloom-cli`:
#   recipes/cifar10_resnet20/run.sh [BINARY]
set -eu
here=$(dirname "$0")
binary=${1:-target/release/heirloom}
data=${HEIRLOOM_DATA:-../shared/data}/datasets/cifar10
work=target/cifar10_resnet20
mkdir -p "$work" "$here/results"
for seed in 0 1 2; do
    test -e "$work/seed-$seed.safetensors" && continue
    "$binary" pretrain "$data" --arch cifar_resnet20 --seed "$seed" --epochs 12 --batch-size 128 \
        --schedule one-cycle --learning-rate 0.2 --optimizer sgd --weight-decay 5e-4 --clip-norm 0 --augment crop \
        --log "$work/seed-$seed.jsonl" -o "$work/seed-$seed.safetensors"
    cp "$work/seed-$seed.jsonl" "$here/results/heirloom-$seed.jsonl"
done
python "$here/peer.py" --data "$data"
