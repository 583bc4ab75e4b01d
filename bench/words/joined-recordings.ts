import { decodeToSamples } from '../accuracy/decode-samples.ts';
import { type Clip, readEnglishClips } from '../accuracy/manifest.ts';
import { createRandom } from '../accuracy/wer.ts';
import { findSoundEdges, isQuietlyRecorded } from './sound-edges.ts';

export const SAMPLE_RATE = 16_000;

/** A word of the reference with as much of its place as is known. */
export interface PlacedWord {
  /** Lower case, without punctuation. */
  readonly word: string;
  readonly startSecond?: number;
  readonly endSecond?: number;
  /** Silence put in front of it and behind it, where its edge is known. */
  readonly gapBeforeSecond?: number;
  readonly gapAfterSecond?: number;
}

/** Recordings put one behind the other, so that the edges of each are known. */
export interface JoinedRecording {
  readonly name: string;
  readonly kind: 'single words' | 'phrases' | 'sentences' | 'sentences of other speakers';
  readonly samples: Float32Array;
  readonly words: readonly PlacedWord[];
}

const GAP_SECONDS = [0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7];
const SINGLE_WORD_SETS = ['tiny_digits'] as const;
const PHRASE_SETS = ['commands'] as const;
const SENTENCE_SETS = [
  'libri_train_clean',
  'libri_misc',
  'ljspeech',
  'vctk_british',
  'ieee_sentences',
] as const;
/** Played no part when the alignment heads were chosen. */
const OTHER_SETS = ['libri_test_other', 'noizeus_8k_clean'] as const;
const EDGE_SECOND = 0.4;

interface TrimmedClip {
  readonly clip: Clip;
  readonly samples: Float32Array;
}

/**
 * Digits in random order with gaps of 0 to 0.7 s, spoken phrases likewise, and pairs of read sentences. Each recording is cut to its
 * sound first, so a boundary is where one sound ends and the next begins, also where there is no pause. The seed is fixed.
 */
export async function joinRecordings(): Promise<JoinedRecording[]> {
  const random = createRandom(7);
  const digits = await trimmed(SINGLE_WORD_SETS);
  const phrases = await trimmed(PHRASE_SETS);
  const sentences = await trimmed(SENTENCE_SETS);
  const recordings: JoinedRecording[] = [];
  for (let round = 0; round < 60; round += 1)
    recordings.push(join('single words', round, shuffled(digits, random).slice(0, 4 + (round % 7)), random));
  for (let round = 0; round < 30; round += 1)
    recordings.push(join('phrases', round, shuffled(phrases, random).slice(0, 2 + (round % 4)), random));
  const order = shuffled(sentences, random);
  for (let first = 0; first < order.length; first += 2)
    recordings.push(join('sentences', first / 2, order.slice(first, first + 2), random));
  const others = shuffled(await trimmed(OTHER_SETS, isQuietlyRecorded), random);
  for (let first = 0; first < others.length; first += 2)
    recordings.push(join('sentences of other speakers', first / 2, others.slice(first, first + 2), random));
  return recordings;
}

async function trimmed(
  sets: readonly string[],
  isWanted: (samples: Float32Array) => boolean = () => true,
): Promise<TrimmedClip[]> {
  const clips: TrimmedClip[] = [];
  for (const clip of readEnglishClips(sets)) {
    const samples = await decodeToSamples(clip.path);
    if (!isWanted(samples)) continue;
    const { startSample, endSample } = findSoundEdges(samples);
    clips.push({ clip, samples: samples.subarray(startSample, endSample) });
  }
  return clips;
}

function join(
  kind: JoinedRecording['kind'],
  round: number,
  clips: readonly TrimmedClip[],
  random: () => number,
): JoinedRecording {
  const parts: Float32Array[] = [new Float32Array(EDGE_SECOND * SAMPLE_RATE)];
  const words: PlacedWord[] = [];
  let length = EDGE_SECOND * SAMPLE_RATE;
  let gapBefore = EDGE_SECOND;
  for (const [place, { clip, samples }] of clips.entries()) {
    const drawn = GAP_SECONDS[Math.floor(random() * GAP_SECONDS.length)] ?? 0;
    const gap = place === clips.length - 1 ? drawn + EDGE_SECOND : drawn;
    const spoken = clip.reference
      .toLowerCase()
      .replace(/[^a-z' ]+/g, ' ')
      .split(' ')
      .filter(Boolean);
    for (const [index, word] of spoken.entries())
      words.push({
        word,
        ...(index === 0 && { startSecond: length / SAMPLE_RATE, gapBeforeSecond: gapBefore }),
        ...(index === spoken.length - 1 && {
          endSecond: (length + samples.length) / SAMPLE_RATE,
          gapAfterSecond: gap,
        }),
      });
    const silence = new Float32Array(Math.round(gap * SAMPLE_RATE));
    parts.push(levelled(samples), silence);
    length += samples.length + silence.length;
    gapBefore = gap;
  }
  return { kind, name: `${kind} ${round}`, samples: concatenate(parts, length), words };
}

/** To one loudness: -23 dB of full scale over the whole clip. */
function levelled(samples: Float32Array): Float32Array {
  const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, samples.length);
  const gain = 10 ** (-23 / 20) / Math.sqrt(power + 1e-12);
  return samples.map((sample) => Math.max(-1, Math.min(1, sample * gain)));
}

function concatenate(parts: readonly Float32Array[], length: number): Float32Array {
  const whole = new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
