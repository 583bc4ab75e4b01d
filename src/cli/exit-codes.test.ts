import { describe, expect, it } from 'vitest';
import {
  AbortedError,
  CannotTranslateError,
  ConfigError,
  EngineCrashedError,
  InvalidAudioError,
  ModelNotFoundError,
} from '../errors.ts';
import { exitCodeOf, InputFileError, OutputFileError } from './exit-codes.ts';

describe('exitCodeOf', () => {
  it('tells a bad input from a fault, and both from wrong usage', () => {
    const errors = [
      new ConfigError('x'),
      new InvalidAudioError('x'),
      new InputFileError('x'),
      new ModelNotFoundError('x', []),
      new CannotTranslateError('x'),
      new OutputFileError('x'),
      new AbortedError(),
      new EngineCrashedError(3),
      new TypeError('x'),
    ];
    expect(errors.map(exitCodeOf)).toEqual([2, 3, 3, 4, 4, 5, 130, 1, 1]);
  });
});
