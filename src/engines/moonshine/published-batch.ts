import { boolTensor, float32Data, float32Tensor, int64Tensor, type Tensor } from '../../onnx/tensor.ts';
import type { NextToken, SequenceBatch, StepChoice } from './backend.ts';
import type { EncodedSpeech } from './graphs/speech-memory.ts';
import type { PublishedCache, PublishedGraphs } from './published-graphs.ts';
import { START_TOKEN } from './tokenizer.ts';

interface Sequence {
  /** [1, frames, hidden] */
  readonly speech: Tensor;
  /** The token that goes in next. */
  token: number;
  /** By the decoder's input; empty before the first step. */
  caches: ReadonlyMap<string, Tensor>;
}

/** Sequences of the published decoder, which takes one at a time: it has no mask for sounds of different lengths. */
export class PublishedBatch<Key> implements SequenceBatch<Key> {
  readonly #graphs: PublishedGraphs;
  readonly #sequences = new Map<Key, Sequence>();

  constructor(graphs: PublishedGraphs) {
    this.#graphs = graphs;
  }

  get keys(): readonly Key[] {
    return [...this.#sequences.keys()];
  }

  join(key: Key, { states, frames }: EncodedSpeech): void {
    const speech = float32Tensor(states, [1, frames, states.length / frames]);
    this.#sequences.set(key, { speech, token: START_TOKEN, caches: new Map() });
  }

  leave(key: Key): void {
    this.#sequences.delete(key);
  }

  async step(
    choose: (key: Key, next: NextToken) => StepChoice | undefined,
    wantsLogits: (key: Key) => boolean,
  ): Promise<void> {
    for (const [key, sequence] of [...this.#sequences]) {
      if (this.#sequences.get(key) !== sequence) continue;
      const logits = await this.#run(sequence);
      if (this.#sequences.get(key) !== sequence) continue;
      const next = mostProbable(logits);
      const choice = choose(key, wantsLogits(key) ? { ...next, logits } : next);
      if (choice === undefined) this.leave(key);
      else goOn(sequence, choice, this.#graphs.caches);
    }
  }

  /** Feeds the next token; the caches grow by it. Returns [vocabulary] logits. */
  async #run(sequence: Sequence): Promise<Float32Array> {
    const { decoder, caches } = this.#graphs;
    const { speech, token, caches: filled } = sequence;
    const isFirst = filled.size === 0;
    const feeds: Record<string, Tensor> = {
      input_ids: int64Tensor([token], [1, 1]),
      encoder_hidden_states: speech,
      use_cache_branch: boolTensor(!isFirst),
    };
    for (const { input, emptyDims } of caches)
      feeds[input] = filled.get(input) ?? float32Tensor(new Float32Array(0), emptyDims);
    const outputs: Readonly<Record<string, Tensor>> = await decoder.run(feeds);
    sequence.caches = new Map(
      caches.map(({ input, output, ofSpeech }) => {
        // With the caches in use the graph answers empty ones for the speech: those of the first step stay.
        const kept = ofSpeech && !isFirst ? feeds[input] : outputs[output];
        if (kept === undefined) throw new Error(`the decoder gave no output "${output}"`);
        return [input, kept];
      }),
    );
    return float32Data(outputs, decoder.outputNames[0] ?? '');
  }
}

function goOn(sequence: Sequence, { token, position }: StepChoice, caches: readonly PublishedCache[]): void {
  sequence.token = token;
  if (position === undefined) return;
  const ofSpeech = new Set(caches.filter((cache) => cache.ofSpeech).map(({ input }) => input));
  // The start token stands before the sequence's first.
  sequence.caches = new Map(
    [...sequence.caches].map(([input, cache]) => [
      input,
      ofSpeech.has(input) ? cache : firstRows(cache, position + 1),
    ]),
  );
}

/** The first `length` of [1, heads, rows, size]. */
function firstRows(cache: Tensor, length: number): Tensor {
  const [, heads = 0, rows = 0, size = 0] = cache.dims;
  const data = float32Data({ cache }, 'cache');
  const kept = new Float32Array(heads * length * size);
  for (let head = 0; head < heads; head += 1) {
    const start = head * rows * size;
    kept.set(data.subarray(start, start + length * size), head * length * size);
  }
  return float32Tensor(kept, [1, heads, length, size]);
}

function mostProbable(logits: Float32Array): NextToken {
  let token = -1;
  let peak = Number.NEGATIVE_INFINITY;
  for (let candidate = 0; candidate < logits.length; candidate += 1) {
    const logit = logits[candidate] ?? Number.NaN;
    if (logit > peak) {
      token = candidate;
      peak = logit;
    }
  }
  if (token < 0) throw new Error('the decoder answered no numbers');
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - peak);
  return { token, logprob: -Math.log(sum) };
}
