import type { Transcript } from '../transcript.ts';
import { cueText } from './cue.ts';
import { formatTimestamp } from './timestamp.ts';

/** Header, then cues without identifiers, a blank line after each; hours are never left out. */
export function renderVtt(transcript: Transcript): string {
  const cues = transcript.segments.map((segment) => {
    const start = formatTimestamp(segment.startSecond, '.');
    const end = formatTimestamp(segment.endSecond, '.');
    return `${start} --> ${end}\n${cueText(segment.text)}\n\n`;
  });
  return `WEBVTT\n\n${cues.join('')}`;
}
