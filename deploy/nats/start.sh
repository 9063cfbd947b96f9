#!/bin/sh
# Start the bus beside the server with the password NATS_TOKEN, or with one that this script makes once and keeps in the
# volume /bus. The server reads the bus's URL from there (NATS_URL_FILE); no other container has this volume.
set -eu

token=${NATS_TOKEN:-}
if [ -z "$token" ]; then
    if [ ! -s /bus/token ]; then
        # A letter comes first, because NATS reads a value that begins with a digit as a number.
        echo "t$(head -c 24 /dev/urandom | od -An -vtx1 | tr -d ' \n')" >/bus/token.new
        chmod 0600 /bus/token.new
        mv /bus/token.new /bus/token
    fi
    token=$(cat /bus/token)
fi
echo "nats://tiflis:$token@${BUS_HOST:-nats}:4222" >/bus/url.new
mv /bus/url.new /bus/url
export NATS_TOKEN="$token"
exec nats-server -c /etc/nats/nats.conf -m 8222
