import type { EncodedSpeech } from './graphs/speech-memory.ts';

/** What the decoder says about the next token of one sequence. */
export interface NextToken {
  /** The most probable token and its natural-log probability over the whole vocabulary. */
  readonly token: number;
  readonly logprob: number;
  /** [vocabulary] unnormalised log probabilities, when they were asked for. */
  readonly logits?: Float32Array;
}

/** How a sequence goes on. */
export interface StepChoice {
  readonly token: number;
  /** Which of its tokens this one replaces, with all behind it; otherwise it follows the last. */
  readonly position?: number;
}

/** Cross-attention of the description's alignment heads over finished tokens. */
export interface Attention {
  /** [heads, rows, frames]: row i is where the decoder listened to choose token i; the last row chose the end. */
  readonly weights: Float32Array;
  readonly rows: number;
  readonly frames: number;
}

/** A loaded Moonshine, whichever graphs compute it. */
export interface MoonshineBackend {
  /** Whether the sequences of a batch share one run of the decoder, so that together they cost less than one after another. */
  readonly sharesSteps: boolean;
  /**
   * [samples] f32 at 16 kHz to what the decoder attends to; input below the encoder's shortest is filled up with silence. A batch takes a
   * copy; otherwise the answer holds until the next utterance is encoded, which may be written to the same place.
   */
  encode(samples: Float32Array): Promise<EncodedSpeech>;
  /** Where in the speech each of `tokens` and the end after them was heard. Rejects where the model has no word times. */
  align(speech: EncodedSpeech, tokens: readonly number[]): Promise<Attention>;
  /** An empty batch of sequences keyed by whatever the caller likes. */
  createBatch<Key>(): SequenceBatch<Key>;
  close(): Promise<void>;
}

/** Sequences that grow by one token a step; they join and leave at any time and do not influence each other. */
export interface SequenceBatch<Key> {
  /** Those that have not left, in no order that means anything. */
  readonly keys: readonly Key[];
  join(key: Key, speech: EncodedSpeech): void;
  /** Unknown keys are fine. A sequence that leaves during a step is not asked about any more. */
  leave(key: Key): void;
  /**
   * Runs one step and hands each sequence's answer to `choose`, which names the token to go on with (or to go back
   * with), or undefined to end the sequence, which then leaves. `wantsLogits` asks for the [vocabulary] logits too, which costs a copy.
   */
  step(
    choose: (key: Key, next: NextToken) => StepChoice | undefined,
    wantsLogits: (key: Key) => boolean,
  ): Promise<void>;
}
