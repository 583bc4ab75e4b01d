import type { Transcript } from '../transcript.ts';
import { buildCues, type CueLimits } from './cues.ts';
import { formatTimestamp } from './timestamp.ts';

/** Header, then cues without identifiers, a blank line after each; hours are never left out. */
export function renderVtt(transcript: Transcript, limits?: CueLimits): string {
  const cues = buildCues(transcript, limits).map(({ startMs, endMs, lines }) => {
    const times = `${formatTimestamp(startMs / 1000, '.')} --> ${formatTimestamp(endMs / 1000, '.')}`;
    return `${times}\n${lines.join('\n')}\n\n`;
  });
  return `WEBVTT\n\n${cues.join('')}`;
}
