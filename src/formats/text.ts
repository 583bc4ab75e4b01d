import type { Transcript } from '../transcript.ts';

/** The transcript and exactly one line feed. */
export function renderText(transcript: Transcript): string {
  return `${transcript.text}\n`;
}
