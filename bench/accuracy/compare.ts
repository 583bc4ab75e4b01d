import { type AccuracyReport, percent, type ScoredClip, sumErrors } from './report.ts';
import { errorCount, pairedBootstrap, wordErrorRate } from './wer.ts';

/** Two runs side by side: WER by set, paired test over clips, and every clip whose normalised text changed. */
export function compareReports(first: AccuracyReport, second: AccuracyReport): string {
  const secondClips = new Map(second.clips.map((clip) => [clip.file, clip]));
  const pairs = first.clips.flatMap((clip) => {
    const other = secondClips.get(clip.file);
    return other === undefined ? [] : [{ first: clip, second: other }];
  });
  const left = first.clips.length + second.clips.length - 2 * pairs.length;
  const sets = [...new Set(pairs.map((pair) => pair.first.set))];
  const rows = [
    ...sets.map((set) =>
      formatRow(
        set,
        pairs.filter((pair) => pair.first.set === set),
      ),
    ),
    formatRow('**all**', pairs),
  ];
  const changed = pairs.filter((pair) => pair.first.hypothesis !== pair.second.hypothesis);
  return [
    `First: \`${first.system}\`, ${first.date}. Second: \`${second.system}\`, ${second.date}. ${pairs.length} clips in both${left === 0 ? '' : `, ${left} in one only (left out)`}.`,
    '',
    '| set | words | first WER % | second WER % | difference | 95 % interval | p |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
    `${changed.length} clips changed.`,
    ...changed.map(formatChange),
    ...emptied(pairs),
  ].join('\n');
}

interface Pair {
  readonly first: ScoredClip;
  readonly second: ScoredClip;
}

function formatRow(name: string, pairs: readonly Pair[]): string {
  const [first, second] = [
    sumErrors(pairs.map((pair) => pair.first)),
    sumErrors(pairs.map((pair) => pair.second)),
  ];
  const test = pairedBootstrap(
    pairs.map((pair) => ({
      referenceWords: pair.first.referenceWords,
      firstErrors: errorCount(pair.first),
      secondErrors: errorCount(pair.second),
    })),
  );
  const interval = `${signed(test.low)} .. ${signed(test.high)}`;
  const rates = [percent(wordErrorRate(first)), percent(wordErrorRate(second))];
  return `| ${[name, first.referenceWords, ...rates, signed(test.difference), interval, test.p.toFixed(3)].join(' | ')} |`;
}

function signed(share: number): string {
  return `${share > 0 ? '+' : ''}${percent(share)}`;
}

function formatChange({ first, second }: Pair): string {
  return [
    `\n${first.file}: ${errorCount(first)} -> ${errorCount(second)} errors of ${first.referenceWords} words`,
    `  reference  ${first.reference}`,
    `  first      ${first.hypothesis || '(empty)'}`,
    `  second     ${second.hypothesis || '(empty)'}`,
  ].join('\n');
}

/** Clips that the second system leaves empty though the first has words for them: the fault to look at first. */
function emptied(pairs: readonly Pair[]): string[] {
  const files = pairs
    .filter((pair) => pair.second.hypothesis === '' && pair.first.hypothesis !== '')
    .map((pair) => pair.second.file);
  return ['', files.length === 0 ? 'No clip became empty.' : `Became empty: ${files.join(', ')}.`];
}
