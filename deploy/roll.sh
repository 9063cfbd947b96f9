#!/bin/sh
# Replace the server's container with one of the present image; no socket is closed.
#   docker compose build && sh deploy/roll.sh        (arguments are those of docker compose, such as -f FILE)
# A second container starts beside the first and takes over its port, sockets and bus; then the first ends.
# If the new one fails, it is removed, and the old one continues.
set -eu

SECONDS_TO_WAIT=300
state() { docker inspect -f '{{.State.Running}} {{.RestartCount}}' "$1"; }
added() { docker compose "$@" ps -aq tiflis | grep -vxF "$before" || true; }

old=$(docker compose "$@" ps -q tiflis)
case $old in
"") exec docker compose "$@" up -d ;;
*[!0-9a-f]*) echo "roll: more than one container of the server runs:" $old >&2; exit 1 ;;
esac

before=$(docker compose "$@" ps -aq tiflis)
stopped=
trap 'stopped=yes' HUP INT TERM              # the old one gets its restart policy back all the same
docker update --restart=no "$old" >/dev/null # else the engine would start it again when it has ended
docker compose "$@" up -d --no-deps --no-recreate --scale tiflis=2 tiflis || true
new=$(added "$@")

waited=0
while [ -n "$new" ] && [ "$waited" -lt "$SECONDS_TO_WAIT" ]; do
    case $(state "$old") in
    false*)
        docker rm "$old" >/dev/null
        echo "roll: the server now runs in $new"
        exit 0
        ;;
    esac
    [ "$(state "$new")" = "true 0" ] && [ -z "$stopped" ] || break
    sleep 1 || true
    waited=$((waited + 1))
done

[ -n "$new" ] || new=$(added "$@")           # a signal may have ended the first look, too
echo "roll: the new container has not taken over; the old one continues. Its last lines:" >&2
if [ -n "$new" ]; then
    docker logs --tail 20 "$new" >&2 || true
    docker rm -f "$new" >/dev/null
fi
docker update --restart=unless-stopped "$old" >/dev/null
exit 1
