import type { Transcript } from '../transcript.ts';
import { buildCues, type CueLimits } from './cues.ts';
import { formatTimestamp } from './timestamp.ts';

/** Counted cues, a blank line after each, and one more line feed at the end; without speech just that line feed. */
export function renderSrt(transcript: Transcript, limits?: CueLimits): string {
  const cues = buildCues(transcript, limits).map(({ startMs, endMs, lines }, index) => {
    const times = `${formatTimestamp(startMs / 1000, ',')} --> ${formatTimestamp(endMs / 1000, ',')}`;
    return `${index + 1}\n${times}\n${lines.join('\n')}\n\n`;
  });
  return `${cues.join('')}\n`;
}
