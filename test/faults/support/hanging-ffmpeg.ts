import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixturePath, runFfmpeg } from '../../support/audio-fixtures.ts';

/** An mp3 with the word in its title, which stands near its start. */
export async function recordingThatHangs(folder: string): Promise<Buffer> {
  const path = join(folder, 'hang.mp3');
  await runFfmpeg(['-i', fixturePath('jfk.wav'), '-map_metadata', '-1', '-metadata', 'title=HANG', path]);
  return readFileSync(path);
}

/** An ffmpeg that is the real one, except that it never ends, whatever it is told, for input with the word HANG near its start. */
export function writeHangingFfmpeg(folder: string): string {
  const path = join(folder, 'ffmpeg');
  const script = `#!/bin/sh
for argument in "$@"; do
  case "$argument" in file:*) input="\${argument#file:}" ;; esac
done
if [ -n "$input" ] && head -c 64 "$input" | grep -aq HANG; then
  trap '' TERM INT HUP
  while :; do sleep 1; done
fi
exec ${realFfmpeg()} "$@"
`;
  writeFileSync(path, script, { mode: 0o755 });
  return path;
}

function realFfmpeg(): string {
  const folders = (process.env.PATH ?? '').split(':');
  const found = folders.map((each) => join(each, 'ffmpeg')).find((path) => existsSync(path));
  if (found === undefined) throw new Error('these tests need ffmpeg on the PATH');
  return found;
}
