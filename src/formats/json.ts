import type { Transcript } from '../transcript.ts';
import { roundToMilliseconds } from './timestamp.ts';

/** What the request is counted as: seconds of audio, rounded up. */
export interface DurationUsage {
  readonly type: 'duration';
  readonly seconds: number;
}

/** `{text, usage}`, compact. Translations carry no usage. */
export function renderJson(transcript: Transcript): string {
  return JSON.stringify({
    text: transcript.text,
    ...(transcript.task === 'transcribe' ? { usage: durationUsage(transcript.durationSecond) } : {}),
  });
}

/** 1.7 s count as 2, 8.47 s as 9. Noise below a millisecond does not start a new second. */
export function durationUsage(durationSecond: number): DurationUsage {
  return { type: 'duration', seconds: Math.ceil(roundToMilliseconds(durationSecond)) };
}
