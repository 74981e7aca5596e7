#!/bin/sh
# In place of the official image's script of this name, which makes the data folder first.
exec "$@"
