#!/usr/bin/env bash
# Writes subtitles beside each file given: film.mp4 -> film.srt
set -euo pipefail
for file in "$@"; do
  curl -sSf http://127.0.0.1:8080/v1/audio/transcriptions -F response_format=srt -F "file=@$file" -o "${file%.*}.srt"
done
