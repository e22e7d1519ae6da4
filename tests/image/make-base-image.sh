#!/bin/bash
# Makes a stand-in for the base image from Debian packages, for a machine that reaches no image registry. It proves the
# Dockerfile and what the image does, not the official base.
# usage: make-base-image.sh FOLDER        (as root, with mmdebstrap; DOCKER_HOST leads to an engine)
set -euo pipefail
folder=$1 tag=python:3.11-slim-bookworm
mkdir -p "$folder/certificates"
# what this machine trusts beyond Debian's own certificates, so that pip works within a build
python3 - "$folder/certificates" <<'PYTHON'
import pathlib, re, ssl, sys

PATTERN = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.S)
debian = pathlib.Path("/usr/share/ca-certificates/mozilla").glob("*.crt")
known = {ssl.PEM_cert_to_DER_cert(text) for path in debian for text in PATTERN.findall(path.read_text())}
trusted = PATTERN.findall(pathlib.Path("/etc/ssl/certs/ca-certificates.crt").read_text())
for number, text in enumerate(text for text in trusted if ssl.PEM_cert_to_DER_cert(text) not in known):
    pathlib.Path(sys.argv[1], f"host-{number}.crt").write_text(text + "\n")
PYTHON
if [ ! -s "$folder/base.tar" ]; then
    mmdebstrap --quiet --variant=minbase --include=ca-certificates,netbase,tzdata,python3,python3-pip,python3-venv \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook="mkdir -p \$1/usr/local/share/ca-certificates" \
        --customize-hook="cp $folder/certificates/*.crt \$1/usr/local/share/ca-certificates/ 2>/dev/null || :" \
        --customize-hook="chroot \$1 update-ca-certificates" \
        --customize-hook='ln -s /usr/bin/python3 $1/usr/local/bin/python; ln -s /usr/bin/python3 $1/usr/local/bin/python3' \
        --customize-hook='rm -f $1/usr/lib/python3*/EXTERNALLY-MANAGED' \
        bookworm "$folder/base.tar"
fi
docker import --change 'CMD ["python3"]' --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
    "$folder/base.tar" "$tag" >/dev/null
echo "$tag"
