const ONES = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
const TEENS = [
  'ten',
  'eleven',
  'twelve',
  'thirteen',
  'fourteen',
  'fifteen',
  'sixteen',
  'seventeen',
  'eighteen',
  'nineteen',
];
const TENS = ['twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety'];
const SCALES: ReadonlyMap<string, number> = new Map([
  ['thousand', 1e3],
  ['million', 1e6],
  ['billion', 1e9],
  ['trillion', 1e12],
]);
const IRREGULAR_ORDINALS: Readonly<Record<string, string>> = {
  first: 'one',
  second: 'two',
  third: 'three',
  fifth: 'five',
  eighth: 'eight',
  ninth: 'nine',
  twelfth: 'twelve',
};

type Ending = 'cardinal' | 'ordinal' | 'plural';

/** A number read from one or more words. `digits` keeps leading zeros; only cardinals go on. */
interface ReadNumber {
  readonly digits: string;
  readonly ending: Ending;
  /** Index of the first word after it. */
  readonly next: number;
}

/**
 * Replaces number words and numerals by digits, one canonical way: cardinals as digits, ordinals as `21st`, decades as `1920s`,
 * "three point one four" as 3.14, "two and a half" as 2.5; adjacent numbers are one word. "oh" and "o" count as zero between digits.
 */
export function joinNumbers(words: readonly string[]): string[] {
  const result: string[] = [];
  let index = 0;
  while (index < words.length) {
    const run = readRun(words, index);
    if (run === undefined) {
      const word = words[index] ?? '';
      const startsMany = word === 'a' && isMultiplier(words[index + 1]);
      if (!startsMany) result.push(word);
      index += 1;
    } else {
      result.push(run.digits);
      index = run.next;
    }
  }
  return result
    .map((word, at) => (word === 'a' && result[at + 1] === 'm' ? 'am' : word))
    .filter(isNotSecondHalf);
}

/** "a m" after a number became "am": its "m" goes. */
function isNotSecondHalf(word: string, index: number, all: readonly string[]): boolean {
  return !(word === 'm' && all[index - 1] === 'am' && /\d$/.test(all[index - 2] ?? ''));
}

function isMultiplier(word: string | undefined): boolean {
  return word === 'hundred' || (word !== undefined && SCALES.has(word));
}

/** Adjacent numbers from `start`, their digits put together. */
function readRun(words: readonly string[], start: number): ReadNumber | undefined {
  let run = readNumber(words, start);
  if (run === undefined) return undefined;
  while (run.ending === 'cardinal') {
    const tail: ReadNumber | undefined =
      readFraction(words, run) ?? readZeros(words, run) ?? readNumber(words, run.next);
    if (tail === undefined || tail.ending === 'ordinal') break;
    if (tail.digits.startsWith('.')) {
      if (run.digits.includes('.')) break;
    } else if (run.digits.includes('.') || tail.digits.includes('.')) break;
    run = scaled(words, { ...tail, digits: run.digits + tail.digits });
  }
  return run.ending === 'ordinal' ? { ...run, digits: run.digits + ordinalSuffix(run.digits) } : run;
}

/** "two point five" before "million". */
function scaled(words: readonly string[], run: ReadNumber): ReadNumber {
  const scale = SCALES.get(words[run.next] ?? '');
  if (scale === undefined || !run.digits.includes('.')) return run;
  return { ...run, digits: String(Math.round(Number(run.digits) * scale)), next: run.next + 1 };
}

function readFraction(words: readonly string[], run: ReadNumber): ReadNumber | undefined {
  const [first, second, third] = words.slice(run.next, run.next + 3);
  if (first === 'and' && second === 'a' && third === 'half')
    return { digits: '.5', ending: 'cardinal', next: run.next + 3 };
  if (first !== 'point') return undefined;
  let digits = '';
  let next = run.next + 1;
  for (;;) {
    const word = words[next] ?? '';
    const digit = isOh(word) && digits !== '' ? 0 : ONES.indexOf(word);
    if (digit < 0 && !(/^\d+$/.test(word) && digits === '')) break;
    digits += digit < 0 ? word : String(digit);
    next += 1;
  }
  return digits === '' ? undefined : { digits: `.${digits}`, ending: 'cardinal', next };
}

/** "oh"s that stand before another number ("nine oh two", "one oh oh three") or end a long row of digits. */
function readZeros(words: readonly string[], run: ReadNumber): ReadNumber | undefined {
  let next = run.next;
  while (isOh(words[next] ?? '')) next += 1;
  const count = next - run.next;
  const continues = run.digits.length > 3 || readNumber(words, next)?.ending === 'cardinal';
  if (count === 0 || !continues) return undefined;
  return { digits: '0'.repeat(count), ending: 'cardinal', next };
}

function isOh(word: string): boolean {
  return word === 'oh' || word === 'o';
}

/** One number as English builds it: "two hundred and five thousand and one", "15", "21st", "nineteen", "5 million". */
function readNumber(words: readonly string[], start: number): ReadNumber | undefined {
  const numeral = /^(\d+(?:\.\d+)?)(st|nd|rd|th|s)?$/.exec(words[start] ?? '');
  const written = numeral?.[1];
  if (written !== undefined && !isMultiplier(words[start + 1])) {
    const ending: Ending =
      numeral?.[2] === undefined ? 'cardinal' : numeral[2] === 's' ? 'plural' : 'ordinal';
    return { digits: ending === 'plural' ? `${written}s` : written, ending, next: start + 1 };
  }
  return readScaled(words, start);
}

function readScaled(words: readonly string[], start: number): ReadNumber | undefined {
  let total = 0;
  let lastScale = Number.POSITIVE_INFINITY;
  let next = start;
  let ending: Ending = 'cardinal';
  let found = false;
  while (ending === 'cardinal') {
    const skipsAnd = found && words[next] === 'and';
    const group = readGroup(words, skipsAnd ? next + 1 : next, found);
    if (group === undefined) break;
    const { scale, isOrdinal } = readScale(words[group.next]);
    const smallerScale = scale ?? 1;
    // "one hundred and two hundred" are two numbers; so are "five five" and "two thousand three thousand".
    if (found && (smallerScale >= lastScale || group.value >= lastScale || (skipsAnd && scale !== undefined)))
      break;
    total += group.value * smallerScale;
    found = true;
    next = scale === undefined ? group.next : group.next + 1;
    ending = isOrdinal ? 'ordinal' : group.ending;
    lastScale = smallerScale;
    if (scale === undefined) break;
  }
  if (!found) return undefined;
  const digits = String(Math.round(total * 1e6) / 1e6);
  return { digits: ending === 'plural' ? `${digits}s` : digits, ending, next };
}

function readScale(word: string | undefined): { scale: number | undefined; isOrdinal: boolean } {
  const isOrdinal = word?.endsWith('th') ?? false;
  return { scale: SCALES.get(isOrdinal && word !== undefined ? word.slice(0, -2) : (word ?? '')), isOrdinal };
}

interface Group {
  readonly value: number;
  readonly ending: Ending;
  readonly next: number;
}

/** A number below a thousand (or a numeral before a multiplier); a bare multiplier counts as one of it when `inside` is false. */
function readGroup(words: readonly string[], start: number, inside: boolean): Group | undefined {
  if (!inside && SCALES.has(words[start] ?? '')) return { value: 1, ending: 'cardinal', next: start };
  const bareHundred = !inside && words[start] === 'hundred';
  const small = bareHundred
    ? ({ value: 1, ending: 'cardinal', next: start } as const)
    : readSmall(words, start);
  if (small === undefined || small.ending !== 'cardinal') return small;
  if (words[small.next] === 'hundredth')
    return { value: small.value * 100, ending: 'ordinal', next: small.next + 1 };
  if (words[small.next] !== 'hundred') return small;
  const hundreds = { value: small.value * 100, ending: 'cardinal', next: small.next + 1 } as const;
  const rest = readSmall(words, words[hundreds.next] === 'and' ? hundreds.next + 1 : hundreds.next);
  const restIsItsOwn =
    rest === undefined || isMultiplier(words[rest.next]) || rest.value === 0 || rest.value > 99;
  // "two hundred five thousand" is one number: the rest keeps its scale when no "and" parts them.
  const keepsScale =
    rest !== undefined && SCALES.has(words[rest.next] ?? '') && rest.value > 0 && rest.value < 100;
  if (restIsItsOwn && !keepsScale) return hundreds;
  return rest === undefined ? hundreds : { ...rest, value: hundreds.value + rest.value };
}

/** Below a hundred, or a numeral that stands before "hundred" or a scale. */
function readSmall(words: readonly string[], start: number): Group | undefined {
  const word = words[start] ?? '';
  const next = start + 1;
  if (/^\d+(\.\d+)?$/.test(word))
    return isMultiplier(words[next]) ? { value: Number(word), ending: 'cardinal', next } : undefined;
  const { stem, ending } = stemOf(word);
  const tens = TENS.indexOf(stem);
  if (tens >= 0) {
    const value = 20 + tens * 10;
    const unit = ending === 'cardinal' ? stemOf(words[next] ?? '') : undefined;
    const ones = unit === undefined || unit.ending === 'plural' ? -1 : ONES.indexOf(unit.stem);
    return ones > 0 && unit !== undefined
      ? { value: value + ones, ending: unit.ending, next: next + 1 }
      : { value, ending, next };
  }
  if (ending === 'plural') return undefined;
  const teens = TEENS.indexOf(stem);
  if (teens >= 0) return { value: 10 + teens, ending, next };
  const ones = ONES.indexOf(stem);
  return ones >= 0 ? { value: ones, ending, next } : undefined;
}

/** "fifth" -> five, ordinal; "twenties" -> twenty, plural; anything else as it is. */
function stemOf(word: string): { stem: string; ending: Ending } {
  const irregular = IRREGULAR_ORDINALS[word];
  if (irregular !== undefined) return { stem: irregular, ending: 'ordinal' };
  if (/ieth$/.test(word)) return { stem: `${word.slice(0, -4)}y`, ending: 'ordinal' };
  if (/th$/.test(word)) return { stem: word.slice(0, -2), ending: 'ordinal' };
  if (/ies$/.test(word)) return { stem: `${word.slice(0, -3)}y`, ending: 'plural' };
  return { stem: word, ending: 'cardinal' };
}

function ordinalSuffix(digits: string): string {
  if (/1[123]$/.test(digits)) return 'th';
  return { '1': 'st', '2': 'nd', '3': 'rd' }[digits.slice(-1)] ?? 'th';
}
