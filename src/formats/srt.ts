import type { Transcript } from '../transcript.ts';
import { type CueLimits, generateCues } from './cues.ts';
import { formatTimestamp } from './timestamp.ts';

/** Counted cues, a blank line after each, and one more line feed at the end; without speech just that line feed. */
export function* renderSrt(transcript: Transcript, limits?: CueLimits): Generator<string> {
  let number = 0;
  for (const { startMs, endMs, lines } of generateCues(transcript, limits)) {
    const times = `${formatTimestamp(startMs / 1000, ',')} --> ${formatTimestamp(endMs / 1000, ',')}`;
    number += 1;
    yield `${number}\n${times}\n${lines.join('\n')}\n\n`;
  }
  yield '\n';
}
