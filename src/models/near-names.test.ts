import { describe, expect, it } from 'vitest';
import { nearestNames } from './near-names.ts';

const NAMES = ['whisper-small', 'whisper-small.en', 'openai/whisper-small', 'whisper-base', 'parakeet'];

describe('nearestNames', () => {
  it('puts what was meant first', () => {
    expect(nearestNames('whisper-smal', NAMES)[0]).toBe('whisper-small');
    expect(nearestNames('Wisper-Base', NAMES)[0]).toBe('whisper-base');
    expect(nearestNames('small.en', NAMES)[0]).toBe('whisper-small.en');
  });

  it('offers nothing for what is like nothing', () => {
    expect(nearestNames('llama', NAMES)).toEqual([]);
    expect(nearestNames('', NAMES)).toEqual([]);
  });
});
