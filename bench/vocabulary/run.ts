import { parseArgs } from 'node:util';
import type { BiasPhrase } from '../../src/engines/engine.ts';
import { type BiasStrength, DEFAULT_STRENGTH } from '../../src/engines/moonshine/bias.ts';
import type { SpeechChunk } from '../../src/vad/chunking.ts';
import { decodeToSamples } from '../accuracy/decode-samples.ts';
import { type InProcess, openInProcess } from '../accuracy/in-process.ts';
import { type Clip, readEnglishClips } from '../accuracy/manifest.ts';
import { normalizedWords } from '../accuracy/normalize.ts';
import { percent } from '../accuracy/report.ts';
import { addErrors, countWordErrors, errorCount, NO_ERRORS, wordErrorRate } from '../accuracy/wer.ts';
import { IRRELEVANT_TERMS, rareTerms, wordsOf } from './terms.ts';

/**
 * What keywords gain and cost: recall of rare words of the references when they are given and when not, and word errors when words are
 * given that nobody says. `--strength` takes a JSON object of what differs from DEFAULT_STRENGTH:
 *
 *   npx tsx bench/vocabulary/run.ts
 *   npx tsx bench/vocabulary/run.ts --strength '{"most":5}'
 */
interface PreparedClip extends Clip {
  readonly samples: Float32Array;
  readonly chunks: readonly SpeechChunk[];
}

await main();

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { strength: { type: 'string', multiple: true } } });
  for (const text of values.strength ?? ['{}']) {
    const strength: BiasStrength = { ...DEFAULT_STRENGTH, ...(JSON.parse(text) as Partial<BiasStrength>) };
    console.log(`\n${JSON.stringify(strength)}\n`);
    await measure(strength);
  }
}

async function measure(strength: BiasStrength): Promise<void> {
  const pipeline = await openInProcess({ strength });
  const clips: PreparedClip[] = [];
  for (const clip of readEnglishClips()) {
    const samples = await decodeToSamples(clip.path);
    clips.push({ ...clip, samples, chunks: await pipeline.findChunks(samples) });
  }
  const terms = rareTerms(clips);
  const all = [...terms.keys()];
  const ownOf = (clip: Clip): string[] => wordsOf(clip.reference).filter((word) => terms.has(word));
  console.log(`${all.length} rare words, said ${[...terms.values()].reduce((a, b) => a + b, 0)} times.\n`);
  console.log('| given | recall of rare words | WER % | errors | wrongly written | seconds |');
  console.log('|---|---|---|---|---|---|');
  const row = async (name: string, given: (clip: Clip) => readonly string[], source: BiasPhrase['source']) =>
    console.log(`| ${name} | ${await score(pipeline, clips, terms, given, source)} |`);
  await row('nothing', () => [], 'keyword');
  await row("each clip's own rare words", ownOf, 'keyword');
  await row('the same, from a prompt', ownOf, 'prompt');
  await row(`all ${all.length}`, () => all, 'keyword');
  await row('10 that nobody says', () => IRRELEVANT_TERMS.slice(0, 10), 'keyword');
  await row(`${IRRELEVANT_TERMS.length} that nobody says`, () => IRRELEVANT_TERMS, 'keyword');
  await pipeline.close();
}

async function score(
  pipeline: InProcess,
  clips: readonly PreparedClip[],
  terms: ReadonlyMap<string, number>,
  given: (clip: Clip) => readonly string[],
  source: BiasPhrase['source'],
): Promise<string> {
  const start = performance.now();
  let errors = NO_ERRORS;
  let said = 0;
  let found = 0;
  let invented = 0;
  for (const clip of clips) {
    const list = given(clip);
    const bias = list.map((text) => ({ text, source }));
    const answers = await pipeline.decode(clip.samples, clip.chunks, { bias });
    const text = answers.map((answer) => answer.text).join(' ');
    errors = addErrors(errors, countWordErrors(normalizedWords(clip.reference), normalizedWords(text)));
    const [reference, hypothesis] = [wordsOf(clip.reference), wordsOf(text)];
    for (const term of terms.keys()) {
      const times = count(reference, term);
      said += times;
      found += Math.min(times, count(hypothesis, term));
    }
    for (const term of new Set(list.map((one) => one.toLowerCase())))
      invented += Math.max(0, count(hypothesis, term) - count(reference, term));
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  return `${percent(found / said)} % (${found} of ${said}) | ${percent(wordErrorRate(errors))} | ${errorCount(errors)} | ${invented} | ${seconds}`;
}

function count(words: readonly string[], word: string): number {
  return words.filter((one) => one === word).length;
}
