import { createRequire } from 'node:module';
import { packageOf } from '../../src/engines/whisper-cpp/binding.ts';

/** The optional package that tests of whisper.cpp need; where it is absent they are skipped, and this stands in their names. */
export const WHISPER_PACKAGE = packageOf('cpu');
export const hasWhisperBinding = isInstalled(WHISPER_PACKAGE);

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}
