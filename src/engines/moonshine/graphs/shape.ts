import type { GraphBuilder, Value } from '../../../onnx/graph/builder.ts';
import type { DecoderWeights, EncoderWeights } from './weights.ts';

/** What a weights file does not say of itself. A larger Moonshine is another description. */
export interface MoonshineDescription {
  heads: number;
  /** Most encoder frames a run; 41.6 a second. */
  maxFrames: number;
  /** Most tokens a sequence. */
  maxPositions: number;
  /** Cross-attention heads that follow the sound best: word times come from them. */
  alignmentHeads: readonly AttentionHead[];
}

/** A cross-attention head of the decoder. */
export interface AttentionHead {
  readonly layer: number;
  readonly head: number;
}

/**
 * Moonshine tiny; base has 8 heads too. Rotary tables for 98 s of audio and 512 tokens, 330 KB. The alignment heads were picked one by
 * one out of all 48 for the least error of word edges (bench/results/2026-11-23-words.md).
 */
export const MOONSHINE: MoonshineDescription = {
  heads: 8,
  maxFrames: 4096,
  maxPositions: 512,
  alignmentHeads: [
    { layer: 2, head: 0 },
    { layer: 3, head: 2 },
    { layer: 3, head: 5 },
    { layer: 5, head: 1 },
    { layer: 5, head: 7 },
  ],
};

/** Encoder frames are padded to a multiple of this many, the lanes of the widest vector unit. */
export const FRAME_STEP = 16;

export interface MoonshineShape {
  layers: number;
  heads: number;
  headSize: number;
  hidden: number;
  vocabulary: number;
}

export function shapeOf(weights: DecoderWeights, { heads }: MoonshineDescription): MoonshineShape {
  const { hidden, vocabulary, layers } = weights;
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
