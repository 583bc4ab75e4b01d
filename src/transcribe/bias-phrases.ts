import type { BiasPhrase } from '../engines/engine.ts';
import { keywordsThatFit } from '../engines/keyword-list.ts';

export interface BiasRequest {
  readonly keywords?: readonly string[] | undefined;
  /** Free text: only names and terms in it are used. */
  readonly prompt?: string | undefined;
  /** So many characters of keywords the model reads, in a list; undefined: all. */
  readonly keywordCharacters?: number | undefined;
}

export interface FoundPhrases {
  /** Each once, keywords first. */
  readonly phrases: readonly BiasPhrase[];
  /** Keywords that are not used and why, for the caller. */
  readonly warnings: readonly string[];
}

/** More terms than this bias nothing in particular. */
const MOST_PHRASES = 1000;
const LONGEST_CHARACTERS = 80;
/** A comma-separated item of so few words is a term, not a clause. */
const LONGEST_ITEM_WORDS = 4;
/** Shorter words in lower case are common ones. */
const SHORTEST_LOWER_CASE = 6;

/** Names and terms to prefer: the keywords as they are, and what looks like a name or term in the prompt. */
export function findBiasPhrases({
  keywords = [],
  prompt = '',
  keywordCharacters = Number.POSITIVE_INFINITY,
}: BiasRequest): FoundPhrases {
  const warnings: string[] = [];
  const named: string[] = [];
  for (const keyword of keywords.map(tidy).filter((text) => text !== '')) {
    if (keyword.length > LONGEST_CHARACTERS)
      warnings.push(
        `The keyword "${keyword.slice(0, 20)}…" is longer than ${LONGEST_CHARACTERS} characters; it was not used.`,
      );
    else if (/[\p{L}\p{N}]/u.test(keyword)) named.push(keyword);
    else warnings.push(`The keyword "${keyword}" has no letters or digits; it was not used.`);
  }
  const phrases = new Map<string, BiasPhrase>();
  const distinct = [...new Set(named)];
  const fitting = keywordsThatFit(distinct, keywordCharacters);
  for (const text of fitting) phrases.set(text, { text, source: 'keyword' });
  // As Whisper, the end of a long prompt counts most.
  for (const text of termsOf(prompt).reverse())
    if (!phrases.has(text)) phrases.set(text, { text, source: 'prompt' });
  if (fitting.length < distinct.length)
    warnings.push(
      `Of ${distinct.length} keywords only the first ${fitting.length} were used: the model reads ${keywordCharacters} characters of them. ` +
        `Left out: ${describeSome(distinct.slice(fitting.length))}.`,
    );
  else if (distinct.length > MOST_PHRASES)
    warnings.push(`Of ${distinct.length} keywords only the first ${MOST_PHRASES} were used.`);
  return { phrases: [...phrases.values()].slice(0, MOST_PHRASES), warnings };
}

/** So many are named; a warning travels in a header too. */
const MOST_NAMED = 10;

function describeSome(keywords: readonly string[]): string {
  const named = keywords.slice(0, MOST_NAMED).map((keyword) => `"${keyword}"`);
  const others = keywords.length - named.length;
  return others === 0 ? named.join(', ') : `${named.join(', ')} and ${others} more`;
}

/**
 * Names and terms in running text: short items of a list, runs of capitalised words and each of them, words with digits or capitals
 * inside, and long words in lower case (of which the engine takes those its vocabulary has no token for).
 */
export function termsOf(prompt: string): string[] {
  const terms = new Set<string>();
  for (const item of listItems(prompt)) terms.add(item);
  for (const sentence of prompt.split(/[.!?;:\n]+/))
    for (const run of capitalisedRuns(sentence)) {
      terms.add(run.join(' '));
      for (const word of run) terms.add(word);
    }
  for (const word of wordsOf(prompt)) {
    const special = /\p{N}/u.test(word) ? /\p{L}/u.test(word) : /\p{Ll}\p{Lu}|^\p{Lu}{2}/u.test(word);
    const rare = /^\p{Ll}+$/u.test(word) && word.length >= SHORTEST_LOWER_CASE;
    if (special || rare) terms.add(word);
  }
  return [...terms].filter((term) => term.length > 1 && term.length <= LONGEST_CHARACTERS && !isCommon(term));
}

/** Items of a text that is a list: at least two, all of them short. */
function listItems(prompt: string): string[] {
  const items = prompt
    .replace(/^[^:\n]{0,40}:/, '')
    .split(/[,;\n]/)
    .map((item) => tidy(item.replace(/^\s*(?:and|or)\s+/i, '')).replace(/[.!?]+$/, ''))
    .filter((item) => item !== '');
  const isList = items.length >= 2 && items.every((item) => item.split(' ').length <= LONGEST_ITEM_WORDS);
  return isList ? items.filter((item) => !isCommon(item.split(' ')[0] ?? '')) : [];
}

/** Neighbouring words that begin with a capital, common ones at the edges left out. */
function capitalisedRuns(sentence: string): string[][] {
  const runs: string[][] = [];
  let run: string[] = [];
  for (const word of [...wordsOf(sentence), '']) {
    if (/^\p{Lu}/u.test(word) && !isCommon(word)) {
      run.push(word);
      continue;
    }
    if (run.length > 0) runs.push(run);
    run = [];
  }
  return runs;
}

function wordsOf(text: string): string[] {
  return text.match(/[\p{L}\p{N}](?:[\p{L}\p{N}'’&.-]*[\p{L}\p{N}])?/gu) ?? [];
}

function tidy(text: string): string {
  return text.normalize('NFC').replace(/\s+/g, ' ').trim();
}

function isCommon(term: string): boolean {
  return COMMON.has(term.toLowerCase());
}

/** Words that a sentence often begins with and that name nothing. */
const COMMON = new Set(
  `a about after again all also although an and another any are as at be because been before but by can could did do does during each
  even every few first for from had has have he her here hers him his how however i if in indeed into is it its just last later let like
  many may maybe me more most much must my never new next no none nor not nothing now of off often on once one only or other our out over
  perhaps please same second see several shall she should since so some sometimes soon still such than thank thanks that the their them
  then there therefore these they third this those though through thus to today tomorrow too two under until up upon us very was we well
  were what when where whether which while who whom whose why will with within without would yes yesterday yet you your
  okay ok hello hi dear transcript transcribe transcription following audio recording speaker conversation interview meeting names words
  terms glossary vocabulary keywords include includes including mention mentions mentioned`.split(/\s+/),
);
