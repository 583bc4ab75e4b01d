import type { Machine } from './machine.ts';
import { addErrors, NO_ERRORS, type WordErrors, wordErrorRate } from './wer.ts';

export interface ScoredClip extends WordErrors {
  readonly file: string;
  readonly set: string;
  readonly durationSecond: number;
  /** Wall time of its transcription. */
  readonly seconds: number;
  /** The system's own words. */
  readonly text: string;
  /** Both sides normalised. */
  readonly reference: string;
  readonly hypothesis: string;
}

export interface AccuracyReport extends Machine {
  readonly system: string;
  readonly wallSecond: number;
  /** User CPU time of all processes, loading the model included where it happens in a child. */
  readonly cpuSecond: number;
  readonly clips: readonly ScoredClip[];
}

/** A Markdown table by set with its total, then speed and conditions. */
export function formatReport(report: AccuracyReport): string {
  const sets = [...new Set(report.clips.map((clip) => clip.set))];
  const rows = [
    ...sets.map((set) => formatRow(set, clipsOf(report, set))),
    formatRow('**all**', report.clips),
  ];
  const audioSecond = report.clips.reduce((sum, clip) => sum + clip.durationSecond, 0);
  return [
    `System \`${report.system}\`, ${report.date}: \`${report.command}\``,
    '',
    '| set | clips | words | WER % | substitutions | deletions | insertions | empty clips |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    `${audioSecond.toFixed(0)} s of audio in ${report.wallSecond.toFixed(1)} s: RTFx ${(audioSecond / report.wallSecond).toFixed(1)}; ` +
      `${report.cpuSecond.toFixed(1)} s user CPU, ${(audioSecond / report.cpuSecond).toFixed(1)} s of audio a CPU second.`,
    `${report.processor}, ${report.cores} cores, ${report.operatingSystem}; ` +
      `${Object.entries(report.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', ')}.`,
  ].join('\n');
}

export function clipsOf(report: AccuracyReport, set: string): ScoredClip[] {
  return report.clips.filter((clip) => clip.set === set);
}

export function sumErrors(clips: readonly ScoredClip[]): WordErrors {
  return clips.reduce<WordErrors>(addErrors, NO_ERRORS);
}

function formatRow(name: string, clips: readonly ScoredClip[]): string {
  const errors = sumErrors(clips);
  const empty = clips.filter((clip) => clip.hypothesis === '').length;
  const cells = [name, clips.length, errors.referenceWords, percent(wordErrorRate(errors))];
  return `| ${[...cells, errors.substitutions, errors.deletions, errors.insertions, empty].join(' | ')} |`;
}

export function percent(share: number): string {
  return (100 * share).toFixed(2);
}
