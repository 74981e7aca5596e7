#!/bin/sh
exec /etc/kafka/docker/java.sh kafka.tools.StorageTool "$@"
