#!/bin/sh
# Unpacks the archives of the corpus for `cargo fuzz`, and packs what it leaves.
#
#   tests/fuzz/corpus.sh unpack            every target
#   tests/fuzz/corpus.sh pack multipart    the target that was fuzzed
set -eu
cd "$(dirname "$0")/corpus"
action=${1:-}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- $(basename -s .tar -- *.tar)
for target; do
    case $action in
    unpack)
        mkdir -p "$target"
        tar -xf "$target.tar" -C "$target"
        ;;
    pack)
        # Sorted names, no owner and no time: the same inputs are the same bytes.
        find "$target" -type f -exec chmod 644 {} +
        (cd "$target" && find . -type f | sed 's|^\./||' | LC_ALL=C sort) |
            tar --format=ustar --owner=0 --group=0 --numeric-owner --mtime=@0 -cf "$target.tar" -C "$target" -T -
        rm -r "$target"
        ;;
    *)
        echo "usage: $0 unpack|pack [target...]" >&2
        exit 2
        ;;
    esac
done
