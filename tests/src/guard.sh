# Stands beside a daemon under test. When its standard input ends, which happens however the test ended, it stops the
# daemon and removes the test's directory. Call: guard.sh HOME DAEMON-PROGRAM
home=$1
program=$2

# A daemon that has ended may stay a zombie for as long as the test runs.
runs() {
    [ "$(tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | head -n 1)" = "$program" ] &&
        [ "$(cut -d' ' -f3 "/proc/$pid/stat" 2>/dev/null)" != Z ]
}

while read -r _; do :; done
pid=$(cat "$home/pid" 2>/dev/null)
if [ -n "$pid" ] && runs; then
    kill -TERM "$pid"
    tries=0
    while runs && [ "$tries" -lt 450 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    if runs; then
        echo "thawd (process $pid) did not end within 45 s of SIGTERM and was killed" >&2
        tail -n 30 "$home/thawd.log" >&2
        kill -KILL "$pid"
    fi
fi
rm -rf --one-file-system "$home"
