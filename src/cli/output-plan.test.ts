import { describe, expect, it } from 'vitest';
import { planOutputs } from './output-plan.ts';

const plan = (inputs: string[], output?: string, outputIsFolder = false, format: 'text' | 'srt' = 'text') =>
  planOutputs(inputs, { format, output, outputIsFolder }).map((file) => file.outputPath);

describe('planOutputs', () => {
  it('writes to standard output without --output', () => {
    expect(plan(['a.mp3', '-'])).toEqual([undefined, undefined]);
  });

  it('takes --output as a file for one input and as a folder for several', () => {
    expect(plan(['x/a.mp3'], 'out.txt')).toEqual(['out.txt']);
    expect(plan(['x/a.mp3'], 'out', true)).toEqual(['out/a.txt']);
    expect(plan(['x/a.mp3'], 'out/')).toEqual(['out/a.txt']);
    expect(plan(['x/a.mp3', 'b', '-'], 'out', false, 'srt')).toEqual([
      'out/a.srt',
      'out/b.srt',
      'out/stdin.srt',
    ]);
  });

  it('keeps results of like-named inputs apart, or refuses', () => {
    expect(plan(['a.mp3', 'a.wav', 'b.wav'], 'out')).toEqual(['out/a.mp3.txt', 'out/a.wav.txt', 'out/b.txt']);
    expect(() => plan(['x/a.mp3', 'y/a.mp3'], 'out')).toThrow(/Two inputs are named a\.mp3/);
  });

  it('refuses what cannot be told apart on standard output', () => {
    expect(() => plan(['a', 'b'], undefined, false, 'srt')).toThrow(/--output/);
    expect(() => plan(['-', '-'])).toThrow(/only once/);
  });
});
