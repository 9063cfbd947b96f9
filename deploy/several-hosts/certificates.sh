#!/bin/sh
# Create the bus's certificates, once, on a trusted machine: sh certificates.sh [host …]  (default: a b c)
# It creates a certificate authority (keep ca.key on this machine) and one certificate for all nodes, valid for ten years.
# Copy tls/ and authority/ to each host. There tls/node.key must belong to root: the container cannot read another user's files.
set -eu
cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- a b c
names=$(printf 'DNS:%s,' "$@")
mkdir -p tls authority
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=tiflis bus" \
  -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca.key -out authority/ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=tiflis bus node" -keyout tls/node.key -out node.csr
printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=critical,digitalSignature\n' "${names%,}" > node.ext
openssl x509 -req -in node.csr -CA authority/ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile node.ext -out tls/node.pem
rm -f node.csr node.ext authority/ca.srl ca.srl
chmod 644 authority/ca.pem tls/node.pem
