import { describe, expect, it } from 'vitest';
import { SpeechSegmenter, type SpeechSpan } from './speech-segmenter.ts';

const OPTIONS = {
  startThreshold: 0.5,
  endThreshold: 0.35,
  minimumSilenceFrames: 3,
  minimumSpeechFrames: 4,
  sureThreshold: 0.9,
};

function spansOf(probabilities: readonly number[]): SpeechSpan[] {
  const segmenter = new SpeechSegmenter(OPTIONS);
  const spans = probabilities.flatMap((probability) => segmenter.push(probability) ?? []);
  return [...spans, ...[segmenter.end() ?? []].flat()];
}

const frames = (count: number, probability: number): number[] =>
  Array.from({ length: count }, () => probability);

describe('SpeechSegmenter', () => {
  it('finds speech from its first sure frame to its last voiced one', () => {
    expect(spansOf([...frames(5, 0.1), ...frames(6, 0.7), ...frames(5, 0.1)])).toEqual([
      { startFrame: 5, endFrame: 11 },
    ]);
  });

  it('stays in speech between the two thresholds', () => {
    expect(spansOf([...frames(4, 0.7), ...frames(6, 0.4), ...frames(4, 0.7), ...frames(4, 0)])).toEqual([
      { startFrame: 0, endFrame: 14 },
    ]);
    expect(spansOf(frames(20, 0.4))).toEqual([]);
  });

  it('does not end at a short dip', () => {
    expect(spansOf([...frames(5, 0.8), ...frames(2, 0), ...frames(5, 0.8), ...frames(3, 0)])).toEqual([
      { startFrame: 0, endFrame: 12 },
    ]);
  });

  it('drops a short weak burst and keeps a short sure one', () => {
    expect(spansOf([...frames(2, 0.6), ...frames(5, 0)])).toEqual([]);
    expect(spansOf([...frames(2, 0.95), ...frames(5, 0)])).toEqual([{ startFrame: 0, endFrame: 2 }]);
  });

  it('ends open speech with the input', () => {
    expect(spansOf(frames(6, 0.8))).toEqual([{ startFrame: 0, endFrame: 6 }]);
  });
});
