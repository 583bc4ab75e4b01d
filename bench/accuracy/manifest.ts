import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const REPOSITORY_ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The recordings are a folder of their own beside the repository; they are too large for it. */
export const MANIFEST_PATH = join(REPOSITORY_ROOT, '..', 'shared', 'audio', 'manifest.jsonl');

/** The English sets of the headline figure: read speech, telephone band, noise, commands, digits. */
export const ENGLISH_SETS = [
  'libri_test_other',
  'libri_train_clean',
  'libri_misc',
  'telephone_8k',
  'ljspeech',
  'vctk_british',
  'noizeus_8k_noisy',
  'noizeus_8k_clean',
  'ieee_sentences',
  'librivox_short',
  'commands',
  'digits',
  'spontaneous',
  'tiny_digits',
] as const;

export interface Clip {
  /** Path inside the recordings' folder; names the clip in results. */
  readonly file: string;
  readonly path: string;
  readonly set: string;
  readonly reference: string;
  readonly durationSecond: number;
}

/** English clips with a reference, in the manifest's order. Throws when the recordings are not there. */
export function readEnglishClips(
  sets: readonly string[] = ENGLISH_SETS,
  manifestPath = MANIFEST_PATH,
): Clip[] {
  if (!existsSync(manifestPath)) throw new Error(`The recordings are not here: ${manifestPath} is missing.`);
  const lines = readFileSync(manifestPath, 'utf8').split('\n').filter(Boolean);
  const clips = lines
    .map((line) => JSON.parse(line) as ManifestLine)
    .filter((line) => sets.includes(line.set ?? '') && line.language === 'en' && line.expect === 'transcript')
    .map((line) => ({
      file: line.file,
      path: join(dirname(manifestPath), line.file),
      set: line.set ?? '',
      reference: line.reference ?? '',
      durationSecond: line.seconds,
    }));
  const known = new Set(clips.map((clip) => clip.set));
  const unknown = sets.filter((set) => !known.has(set));
  if (unknown.length > 0)
    throw new Error(`No English clips in: ${unknown.join(', ')}. Sets: ${ENGLISH_SETS.join(', ')}.`);
  return clips;
}

interface ManifestLine {
  readonly file: string;
  readonly reference: string | null;
  readonly language: string | null;
  readonly seconds: number;
  readonly set?: string;
  readonly expect?: string;
}
