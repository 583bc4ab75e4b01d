import { joinNumbers } from './numbers.ts';
import { americanSpelling } from './spelling.ts';

/**
 * Brings an English reference or hypothesis into the one form in which words are counted. Both sides of a comparison pass through it.
 *
 * It follows what is usual since Whisper's English normaliser (the paper's appendix C): lower case, no punctuation, contractions and
 * titles written out, numbers as digits, American spelling, no fillers. Three differences, each the same on both sides:
 * text in round brackets stays (references here hold spoken text in them), adjacent numbers are always one word ("five five" = "5 5" =
 * "55", "fourteen sixty-two" = "1462", "two thirty" = "2:30"), and money is written "20 dollars".
 */
export function normalizeEnglish(text: string): string {
  const plain = writeOutContractions(plainLetters(text.toLowerCase()).replace(/\[[^\]]*\]|<[^>]*>/g, ' '));
  const words = joinNumbers(tokenize(plain))
    .filter((word) => !FILLERS.has(word))
    .map(americanSpelling);
  return words.join(' ').replace(/(dollars?|pounds?|euros?) and (\d+ (?:cents?|pence))/g, '$1 $2');
}

/** The words of the normalised text; empty for empty text. */
export function normalizedWords(text: string): string[] {
  return normalizeEnglish(text).split(' ').filter(Boolean);
}

const FILLERS = new Set(['hm', 'hmm', 'hmmm', 'mm', 'mmm', 'mhm', 'uh', 'uhm', 'um', 'erm']);

function plainLetters(text: string): string {
  return text
    .replace(/[\u2018\u2019\u02bc\u0060]/g, "'")
    .replace(/[\u2010-\u2015]/g, '-')
    .replace(/œ/g, 'oe')
    .replace(/æ/g, 'ae')
    .replace(/ø/g, 'o')
    .replace(/ß/g, 'ss')
    .normalize('NFKD')
    .replace(/\p{M}/gu, '');
}

/** Whole words first, then endings; the order matters ("won't" before "n't"). */
const CONTRACTIONS: readonly (readonly [RegExp, string])[] = [
  [/\bwon't\b/g, 'will not'],
  [/\bcan't\b/g, 'can not'],
  [/\bcannot\b/g, 'can not'],
  [/\bshan't\b/g, 'shall not'],
  [/\bain't\b/g, 'aint'],
  [/\blet's\b/g, 'let us'],
  [/\by'all\b/g, 'you all'],
  [/\bma'am\b/g, 'madam'],
  [/\bo'clock\b/g, 'oclock'],
  [/\bwanna\b/g, 'want to'],
  [/\bgotta\b/g, 'got to'],
  [/\bgonna\b/g, 'going to'],
  [/'d(?= (?:been|gone|done)\b)/g, ' had'],
  [/'s(?= (?:been|gone|got)\b)/g, ' has'],
  [/n't\b/g, ' not'],
  [/(?<=\d)'s\b/g, 's'],
  [/'re\b/g, ' are'],
  [/'s\b/g, ' is'],
  [/'d\b/g, ' would'],
  [/'ll\b/g, ' will'],
  [/'ve\b/g, ' have'],
  [/'m\b/g, ' am'],
  [/\bmrs\b\.?/g, 'missus'],
  [/\bmr\b\.?/g, 'mister'],
  [/\bdr\b\.?/g, 'doctor'],
  [/\bst\b\.?/g, 'saint'],
  [/\bprof\b\.?/g, 'professor'],
  [/\bcapt\b\.?/g, 'captain'],
  [/\bgen\b\.?/g, 'general'],
  [/\bcol\b\.?/g, 'colonel'],
  [/\blt\b\.?/g, 'lieutenant'],
  [/\bsgt\b\.?/g, 'sergeant'],
  [/\brev\b\.?/g, 'reverend'],
  [/\bhon\b\.?/g, 'honorable'],
  [/\bjr\b\.?/g, 'junior'],
  [/\bsr\b\.?/g, 'senior'],
  [/\besq\b\.?/g, 'esquire'],
  [/\betc\b\.?/g, 'et cetera'],
];

function writeOutContractions(text: string): string {
  let result = text.replace(/\s+'(?=(?:s|d|m|ll|re|ve|t)\b)/g, "'");
  for (const [pattern, words] of CONTRACTIONS) result = result.replace(pattern, words);
  return result;
}

const MONEY: Readonly<Record<string, readonly [one: string, many: string, small: string]>> = {
  $: ['dollar', 'dollars', 'cents'],
  '£': ['pound', 'pounds', 'pence'],
  '€': ['euro', 'euros', 'cents'],
};

/** Splits into words and numerals; clock times, money, percent and dotted abbreviations become plain words here. */
function tokenize(text: string): string[] {
  const words = text
    .replace(/\b(?:[a-z]\.){2,}/g, (abbreviation) => `${abbreviation.replaceAll('.', '')} `)
    .replace(/(\d{1,2})\.(\d{2})(?= ?[ap]\.?m\b)/g, '$1:$2')
    .replace(/(\d{1,2}):00\b/g, '$1')
    .replace(/(\d{1,2}):(\d{2})\b/g, '$1 $2')
    .replace(/(\d),(?=\d{3})/g, '$1')
    .replace(
      /([$£€])(\d+)(\.\d{2})?((?:\.\d+)?(?: (?:hundred|thousand|million|billion|trillion))?)/g,
      writeOutMoney,
    )
    .replace(/%|\bper cent\b/g, ' percent ')
    .replace(/&/g, ' and ')
    .replace(/(\d)\.(?=\d)/g, '$1\ue000')
    .replace(/[^\p{L}\p{N}\ue000]+/gu, ' ')
    .replaceAll('\ue000', '.');
  return words
    .replace(/(\d)([ap]m)\b/g, '$1 $2')
    .replace(/\bp m\b/g, 'pm')
    .split(' ')
    .filter(Boolean);
}

function writeOutMoney(
  _all: string,
  sign: string,
  whole: string,
  cents: string | undefined,
  rest: string,
): string {
  const [one, many, small] = MONEY[sign] ?? ['', '', ''];
  if (rest !== '') return ` ${whole}${cents ?? ''}${rest} ${many} `;
  const unit = whole === '1' ? one : many;
  return cents === undefined
    ? ` ${whole} ${unit} `
    : ` ${whole} ${unit} and ${Number(cents.slice(1))} ${small} `;
}
