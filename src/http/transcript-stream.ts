import type { Readable } from 'node:stream';
import { detectedLanguages, durationUsage, logprobsJson } from '../formats/json.ts';
import type { TranscriptEvent } from '../transcribe/transcriber.ts';
import { separatorBetween, type Transcript } from '../transcript.ts';
import { errorAnswer } from './error-response.ts';
import { eventStream, settlesWithin } from './sse.ts';

/** How long a failure may still become an ordinary error answer with its status. */
const STATUS_DECISION_MS = 5000;

export interface TranscriptStreamOptions {
  /** Whether deltas and the end carry the tokens with their log probabilities. */
  readonly logprobs: boolean;
  /** Known before the work; the end tells them with those of the transcript. */
  readonly warnings: readonly string[];
}

/**
 * A transcription as server-sent events: a delta a segment, then the whole text. Waits for the first sign that the recording can be
 * read, so that most failures come with their own status; throws those.
 */
export async function openTranscriptStream(
  events: AsyncIterable<TranscriptEvent>,
  options: TranscriptStreamOptions,
): Promise<Readable> {
  const iterator = events[Symbol.asyncIterator]();
  const first = firstAudible(iterator);
  if (await settlesWithin(first, STATUS_DECISION_MS)) await first;
  return eventStream(wireEvents(first, iterator, options), { onError: (error) => errorAnswer(error).body });
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
  options: TranscriptStreamOptions,
): AsyncGenerator<object> {
  let previous = '';
  try {
    for (let result = await first; result.done !== true; result = await iterator.next()) {
      const event = result.value;
      if (event.type === 'segment-final') {
        const text = event.segment.text.trim();
        if (text === '') continue;
        const continues = previous !== '';
        const delta = continues ? separatorBetween(previous, text) + text : text;
        previous = text;
        const logprobs = options.logprobs ? { logprobs: logprobsJson([event.segment], continues) } : {};
        yield { type: 'transcript.text.delta', delta, ...logprobs };
      } else if (event.type === 'transcript-final') {
        yield doneEvent(event.transcript, options);
        return;
      }
    }
    throw new Error('the transcriber ended without a transcript');
  } finally {
    await iterator.return?.();
  }
}

/** `warnings` is ours and stands only where there are any: the headers are long gone. */
function doneEvent(transcript: Transcript, options: TranscriptStreamOptions): object {
  const warnings = [...options.warnings, ...transcript.warnings];
  return {
    type: 'transcript.text.done',
    text: transcript.text,
    ...(options.logprobs ? { logprobs: logprobsJson(transcript.segments) } : {}),
    usage: durationUsage(transcript.durationSecond),
    ...detectedLanguages(transcript),
    ...(warnings.length > 0 ? { warnings } : {}),
  };
}
