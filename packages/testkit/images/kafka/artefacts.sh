#!/usr/bin/env bash
# artefacts.sh <folder> <version>: fetches the broker's jars into <folder>/libs, checked against the repository's checksums.
set -euo pipefail
folder=$1 version=$2
cp "$(dirname "$0")/pom.xml" "$folder/pom.xml"
mvn -B -q -f "$folder/pom.xml" "-Dkafka.version=$version" -DincludeScope=runtime "-DoutputDirectory=$folder/libs" \
  --strict-checksums dependency:copy-dependencies
