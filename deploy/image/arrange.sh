#!/bin/sh
# Arranges what goes into the image beside the packages; run in the build stage, in the build context's copy.
# usage: arrange.sh TARGET
set -eu
target=$1
mkdir -p "$target/home" "$target/etc" no-perl/DEBIAN

cp deploy/image/no-perl.control no-perl/DEBIAN/control
chmod 755 no-perl no-perl/DEBIAN
dpkg-deb --build no-perl "$target/no-perl.deb" >/dev/null

# one group for every folder that is written: that of users who have no name in the image
cd "$target/home"
mkdir -p certs config export scraper/agent secrets .ssh
cp /build/deploy/image/env.sh env.sh
cp /build/deploy/image/env.sh scraper/agent/env.sh
chmod 755 env.sh scraper/agent/env.sh
if [ -d /build/certs ]; then
    find /build/certs -maxdepth 1 -type f ! -name README.md -exec cp {} certs/ \;
fi
if [ -f /build/VERSION ]; then
    cp /build/VERSION VERSION
fi
# a file called env has variables that hold for every container; a folder of that name is somebody's virtual environment
if [ -f /build/env ]; then
    cp /build/env "$target/etc/env"
    chmod 440 "$target/etc/env"
fi
chmod 775 . certs config export scraper scraper/agent
chmod 770 secrets .ssh
