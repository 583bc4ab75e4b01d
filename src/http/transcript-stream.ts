import type { Readable } from 'node:stream';
import { durationUsage } from '../formats/json.ts';
import type { TranscriptEvent } from '../transcribe/transcriber.ts';
import { errorAnswer } from './error-response.ts';
import { eventStream, settlesWithin } from './sse.ts';

/** How long a failure may still become an ordinary error answer with its status. */
const STATUS_DECISION_MS = 5000;

/**
 * A transcription as server-sent events: a delta a segment, then the whole text. Waits for the first sign that the recording can be
 * read, so that most failures come with their own status; throws those.
 */
export async function openTranscriptStream(events: AsyncIterable<TranscriptEvent>): Promise<Readable> {
  const iterator = events[Symbol.asyncIterator]();
  const first = firstAudible(iterator);
  if (await settlesWithin(first, STATUS_DECISION_MS)) await first;
  return eventStream(wireEvents(first, iterator), { onError: (error) => errorAnswer(error).body });
}

/** The first event that shows decoded audio. */
async function firstAudible(
  iterator: AsyncIterator<TranscriptEvent>,
): Promise<IteratorResult<TranscriptEvent>> {
  while (true) {
    const result = await iterator.next();
    const event = result.value as TranscriptEvent | undefined;
    if (result.done === true || event?.type !== 'transcription-progress' || event.decodedSecond > 0)
      return result;
  }
}

async function* wireEvents(
  first: Promise<IteratorResult<TranscriptEvent>>,
  iterator: AsyncIterator<TranscriptEvent>,
): AsyncGenerator<object> {
  let sent = '';
  try {
    for (let result = await first; result.done !== true; result = await iterator.next()) {
      const event = result.value;
      if (event.type === 'segment-final') {
        const text = event.segment.text.trim();
        if (text === '') continue;
        const delta = sent === '' ? text : ` ${text}`;
        sent += delta;
        yield { type: 'transcript.text.delta', delta };
      } else if (event.type === 'transcript-final') {
        const { text, durationSecond } = event.transcript;
        yield { type: 'transcript.text.done', text, usage: durationUsage(durationSecond) };
        return;
      }
    }
    throw new Error('the transcriber ended without a transcript');
  } finally {
    await iterator.return?.();
  }
}
