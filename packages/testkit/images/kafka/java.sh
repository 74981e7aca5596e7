#!/bin/sh
# java.sh <main class> [arguments]: Java with the broker's class path. A class data archive halves the time to start; it
# is only taken when the class path is the very one that it was made with, hence the sorted list.
[ -f /opt/kafka/kafka.jsa ] && archive=-XX:SharedArchiveFile=/opt/kafka/kafka.jsa
# shellcheck disable=SC2086
exec java ${KAFKA_HEAP_OPTS:--Xms256m -Xmx256m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 ${archive:-} ${KAFKA_OPTS:-} \
  -Dlog4j2.configurationFile=/opt/kafka/config/log4j2.properties \
  -cp "$(printf '%s\n' /opt/kafka/libs/*.jar | LC_ALL=C sort | paste -sd:)" "$@"
