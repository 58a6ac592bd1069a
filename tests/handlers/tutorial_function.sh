handler() {
    echo "the event is $1" >&2
    printf '{"echoed": %s}' "$1"
}
