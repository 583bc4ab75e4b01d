import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixturePath, runFfmpeg } from '../../support/audio-fixtures.ts';

/** An mp3 with the word in its title, which stands near its start. */
export async function recordingThatHangs(folder: string): Promise<Buffer> {
  const path = join(folder, 'hang.mp3');
  await runFfmpeg(['-i', fixturePath('jfk.wav'), '-map_metadata', '-1', '-metadata', 'title=HANG', path]);
  return readFileSync(path);
}

/** Never ends, whatever it is told. */
const HANG = "trap '' TERM INT HUP; while :; do sleep 1; done";
/** Takes memory until there is none. */
export const DEVOUR = 'exec tail /dev/zero';

/** An ffmpeg that is the real one, except that it does something else for input with the word HANG near its start. */
export function writeHangingFfmpeg(folder: string, instead = HANG): string {
  const path = join(folder, 'ffmpeg');
  // Decoders may have users of their own.
  chmodSync(folder, 0o755);
  const script = `#!/bin/sh
for argument in "$@"; do
  case "$argument" in file:*) input="\${argument#file:}" ;; esac
done
if [ -n "$input" ] && head -c 64 "$input" | grep -aq HANG; then
  ${instead}
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
