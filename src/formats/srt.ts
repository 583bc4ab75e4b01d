import type { Transcript } from '../transcript.ts';
import { cueText } from './cue.ts';
import { formatTimestamp } from './timestamp.ts';

/** Counted cues, a blank line after each, and one more line feed at the end; without speech just that line feed. */
export function renderSrt(transcript: Transcript): string {
  const cues = transcript.segments.map((segment, index) => {
    const start = formatTimestamp(segment.startSecond, ',');
    const end = formatTimestamp(segment.endSecond, ',');
    return `${index + 1}\n${start} --> ${end}\n${cueText(segment.text)}\n\n`;
  });
  return `${cues.join('')}\n`;
}
