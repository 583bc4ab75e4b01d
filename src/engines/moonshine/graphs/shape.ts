import type { GraphBuilder, Value } from '../../../onnx/graph/builder.ts';
import { UnreadableWeightsError } from '../../../onnx/graph/model-file.ts';
import type { DecoderWeights, EncoderWeights } from './weights.ts';

/**
 * What a weights file does not say of itself. Everything else (layers, widths, vocabulary, rotary dimensions) is read from the
 * weights: a larger Moonshine, or one for another language, is another description and no other code.
 */
export interface MoonshineDescription {
  /** Attention heads of every layer. */
  heads: number;
  /** Most encoder frames a run; 41.6 a second. */
  maxFrames: number;
  /** Most tokens a sequence. */
  maxPositions: number;
  /**
   * Cross-attention heads that word times come from: `none` for a model without them; `upper half` takes all heads of the upper half
   * of the layers, of which on average most follow the sound; measured ones are used where the weights are of their size.
   */
  alignment: 'none' | 'upper half' | MeasuredAlignment;
}

export interface MeasuredAlignment {
  /** The decoder that the heads were measured in; one of another size falls back to the upper half. */
  layers: number;
  hidden: number;
  heads: readonly AttentionHead[];
}

/** A cross-attention head of the decoder. */
export interface AttentionHead {
  readonly layer: number;
  readonly head: number;
}

/** Moonshine tiny and base have 8 heads, in all languages. Rotary tables for 98 s of audio and 512 tokens, 330 KB. */
export const MOONSHINE: MoonshineDescription = {
  heads: 8,
  maxFrames: 4096,
  maxPositions: 512,
  alignment: 'upper half',
};

/** The alignment heads were picked one by one out of all 48 for the least error of word edges (bench/results/2026-11-23-words.md). */
export const MOONSHINE_ENGLISH: MoonshineDescription = {
  ...MOONSHINE,
  alignment: {
    layers: 6,
    hidden: 288,
    heads: [
      { layer: 2, head: 0 },
      { layer: 3, head: 2 },
      { layer: 3, head: 5 },
      { layer: 5, head: 1 },
      { layer: 5, head: 7 },
    ],
  },
};

/** The heads that word times of these weights come from; none when the description wants none. */
export function alignmentHeads(
  { hidden, layers }: DecoderWeights,
  { alignment, heads }: MoonshineDescription,
): readonly AttentionHead[] {
  if (alignment === 'none') return [];
  if (typeof alignment === 'object' && alignment.hidden === hidden && alignment.layers === layers.length)
    return alignment.heads;
  const upper = layers.flatMap((_, layer) => (layer >= Math.floor(layers.length / 2) ? [layer] : []));
  return upper.flatMap((layer) => Array.from({ length: heads }, (_, head) => ({ layer, head })));
}

/** Added to the score of what is not to be heard. */
export const MASKED = -1e9;

export interface MoonshineShape {
  layers: number;
  heads: number;
  headSize: number;
  hidden: number;
  vocabulary: number;
}

/** @throws UnreadableWeightsError when the weights cannot be a model of that description. */
export function shapeOf(weights: DecoderWeights, { heads }: MoonshineDescription): MoonshineShape {
  const { hidden, vocabulary, layers, rotaryFrequencies } = weights;
  if (hidden % heads !== 0 || 2 * rotaryFrequencies.length > hidden / heads)
    throw new UnreadableWeightsError(
      `a width of ${hidden} with ${2 * rotaryFrequencies.length} rotary dimensions does not fit ${heads} heads; it is not a Moonshine model this version knows`,
    );
  return { layers: layers.length, heads, headSize: hidden / heads, hidden, vocabulary };
}

/** Rotary embedding of interleaved pairs in the first dimensions of each head: cosine and sine [length, pairs]. */
export class Rotary {
  readonly #cos: Value;
  readonly #sin: Value;
  readonly #dimensions: number;

  constructor(graph: GraphBuilder, { rotaryFrequencies }: EncoderWeights | DecoderWeights, length: number) {
    const pairs = rotaryFrequencies.length;
    const angles = new Float32Array(length * pairs);
    for (let i = 0; i < angles.length; i++) {
      angles[i] = Math.floor(i / pairs) * (rotaryFrequencies[i % pairs] ?? 0);
    }
    this.#cos = graph.floats('rotary.cos', angles.map(Math.cos), [length, pairs]);
    this.#sin = graph.floats('rotary.sin', angles.map(Math.sin), [length, pairs]);
    this.#dimensions = 2 * pairs;
  }

  /** Turns `value` [batch, steps, heads * headSize] to `positions` [batch, steps] int64. */
  apply(graph: GraphBuilder, value: Value, positions: Value, heads: number): Value {
    const attributes = { interleaved: 1, rotary_embedding_dim: this.#dimensions, num_heads: heads };
    return graph.fused('RotaryEmbedding', [value, positions, this.#cos, this.#sin], { attributes });
  }
}
