import type { Transcript } from '../transcript.ts';
import { type CueLimits, generateCues } from './cues.ts';
import { formatTimestamp } from './timestamp.ts';

/** Header, then cues without identifiers, a blank line after each; hours are never left out. */
export function* renderVtt(transcript: Transcript, limits?: CueLimits): Generator<string> {
  yield 'WEBVTT\n\n';
  for (const { startMs, endMs, lines } of generateCues(transcript, limits)) {
    const times = `${formatTimestamp(startMs / 1000, '.')} --> ${formatTimestamp(endMs / 1000, '.')}`;
    yield `${times}\n${lines.join('\n')}\n\n`;
  }
}
